package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A request is an entry of the log, as GET /fake/requests shows it.
type request struct {
	ID       int           `json:"id"`
	Time     time.Time     `json:"time"` // by the fake's clock
	To       string        `json:"to"`   // Sign-in or Drive
	Method   string        `json:"method"`
	Path     string        `json:"path"`
	Query    url.Values    `json:"query,omitempty"`
	Form     url.Values    `json:"form,omitempty"`
	Header   http.Header   `json:"header"`
	Status   int           `json:"status"` // 0: under way, or cut
	Took     time.Duration `json:"took_ns"`
	Location string        `json:"location,omitempty"` // where a redirect leads
	Error    string        `json:"error,omitempty"`    // the beginning of an error's body
}

const (
	logLimit   = 500
	formLimit  = 64 << 10
	errorLimit = 1 << 10
)

type requestLog struct {
	mu      sync.Mutex
	last    int
	entries []*request // oldest first
}

// serve calls the handler, and logs the request with its status.
func (l *requestLog) serve(w http.ResponseWriter, r *http.Request, to string, world *world, h http.Handler) {
	entry := &request{
		Time: world.google.Now(), To: to, Method: r.Method, Path: r.URL.Path,
		Query: r.URL.Query(), Header: r.Header.Clone(), Form: peekForm(r),
	}
	l.add(entry)
	seen := &response{ResponseWriter: w}
	begun := time.Now()
	defer func() { // also if the connection is cut, which is a panic
		l.mu.Lock()
		defer l.mu.Unlock()
		entry.Took = time.Since(begun)
		entry.Status, entry.Error, entry.Location = seen.status, seen.failure(), w.Header().Get("Location")
	}()
	h.ServeHTTP(seen, r)
}

func (l *requestLog) add(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	r.ID = l.last
	if len(l.entries) == logLimit {
		l.entries = slices.Delete(l.entries, 0, logLimit/10)
	}
	l.entries = append(l.entries, r)
}

// all returns the entries, newest first.
func (l *requestLog) all() []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []request{} // not null
	for _, r := range slices.Backward(l.entries) {
		list = append(list, *r)
	}
	return list
}

func (l *requestLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// peekForm returns the form in a body, and leaves the body to be read.
func peekForm(r *http.Request) url.Values {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/x-www-form-urlencoded" {
		return nil
	}
	begin, err := io.ReadAll(io.LimitReader(r.Body, formLimit))
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), rest), rest}
	if err != nil {
		return nil
	}
	form, _ := url.ParseQuery(string(begin))
	return form
}

// A response is a ResponseWriter that notes the status, and the beginning of an error.
type response struct {
	http.ResponseWriter
	status int
	body   []byte // the beginning of an error's
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.status >= 400 {
		w.body = append(w.body, p[:min(len(p), errorLimit-len(w.body))]...)
	}
	return w.ResponseWriter.Write(p)
}

// Code returns the error code of an answer in the form of OAuth, or the reason of one
// in the form of Google's APIs.
func (r request) Code() string {
	var oauth struct{ Error string }
	if json.Unmarshal([]byte(r.Error), &oauth) == nil {
		return oauth.Error
	}
	var api struct {
		Error struct{ Errors []struct{ Reason string } }
	}
	if json.Unmarshal([]byte(r.Error), &api) == nil && len(api.Error.Errors) > 0 {
		return api.Error.Errors[0].Reason
	}
	return ""
}

// failure returns the body of an error in one line, if it is not a page.
func (w *response) failure() string {
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		return ""
	}
	var line bytes.Buffer
	if json.Compact(&line, w.body) == nil {
		return line.String()
	}
	return strings.TrimSpace(string(w.body))
}
