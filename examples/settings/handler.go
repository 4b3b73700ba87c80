package main

import (
	"encoding/json"
	"mime"
	"net/http"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
)

// maxDocument is the most that a device may send, in bytes.
const maxDocument = 64 << 10

// Handler answers a POST of a device's Document with the merged one. folder says
// whose request it is: in a backend, drive.New with the HTTPClient that a
// tokenstore.Manager has for the user of the session. The app gets the
// answer that [exchange.WriteProblem] writes, such as 403 where the user has to
// consent again; the error goes to onError, which may be nil.
func Handler(name string, folder func(*http.Request) (*drive.AppFolder, error), onError func(*http.Request, error)) http.Handler {
	if onError == nil {
		onError = func(*http.Request, error) {}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, status := readDocument(w, r)
		if status != http.StatusOK {
			http.Error(w, http.StatusText(status), status)
			return
		}
		merged, err := syncFor(r, name, folder, local)
		if err != nil {
			onError(r, err)
			exchange.WriteProblem(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(merged); err != nil {
			onError(r, err)
		}
	})
}

func readDocument(w http.ResponseWriter, r *http.Request) (Document, int) {
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed
	}
	if contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); contentType != "application/json" {
		return nil, http.StatusUnsupportedMediaType // which a form of another site cannot send
	}
	var doc Document
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDocument)).Decode(&doc); err != nil {
		return nil, http.StatusBadRequest
	}
	now := time.Now()
	for key, setting := range doc {
		if setting.Changed.After(now) { // the device's clock is ahead: no other one could change this until then
			setting.Changed = now
			doc[key] = setting
		}
	}
	return doc, http.StatusOK
}

func syncFor(r *http.Request, name string, folder func(*http.Request) (*drive.AppFolder, error), local Document) (Document, error) {
	f, err := folder(r)
	if err != nil {
		return nil, err
	}
	return Sync(r.Context(), f, name, local)
}
