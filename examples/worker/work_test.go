package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A visit that begins between the read and the write of another one to the same user
// loses no entry.
func TestVisitsTakeTurns(t *testing.T) {
	t.Parallel()
	google := exchangetest.NewServer(exchangetest.Options{})
	defer google.Close()
	files := drivetest.NewServer(drivetest.Options{Accounts: google})
	defer files.Close()
	var beforeUpload atomic.Pointer[func()] // called once
	gate := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/upload/") {
			if do := beforeUpload.Swap(nil); do != nil {
				(*do)()
			}
		}
		files.ServeHTTP(rw, r)
	}))
	defer gate.Close()

	client, err := exchange.New(google.Config())
	if err != nil {
		t.Fatal(err)
	}
	store := new(tokenstore.Memory)
	grants, err := tokenstore.New(tokenstore.Config{
		ClientID: google.ClientID(), Store: store, Refresher: client, Hosts: []string{strings.TrimPrefix(gate.URL, "http://")},
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := client.Exchange(t.Context(), google.AppCode(exchangetest.CodeRequest{Scopes: []string{"openid", drive.Scope}}), exchange.App)
	if err != nil {
		t.Fatal(err)
	}
	user := google.Accounts()[0].Subject
	if _, err := grants.SignIn(t.Context(), user, &tokens.Token); err != nil {
		t.Fatal(err)
	}
	w := &visitWorker{grants: grants, leases: store, leaseTime: time.Hour, clientID: google.ClientID(), drive: drive.Config{Endpoint: gate.URL}}
	visit := func(day int) error {
		return w.visit(t.Context(), Visit{Subject: user, Period: time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC)})
	}

	if err := visit(1); err != nil {
		t.Fatal(err)
	}
	var other error
	do := func() { other = visit(3) }
	beforeUpload.Store(&do)
	if err := visit(2); err != nil {
		t.Fatal(err)
	}
	if other != nil {
		if !errors.Is(other, errBusy) || retryAfter(other) == 0 {
			t.Errorf("the other visit: %v, want errBusy", other)
		}
		if err := visit(3); err != nil { // as the queue does
			t.Fatal(err)
		}
	}
	folder, err := drive.New(drive.Config{HTTPClient: grants.HTTPClient(user), Endpoint: gate.URL})
	if err != nil {
		t.Fatal(err)
	}
	if entries, _, err := drive.ReadJSON[[]entry](t.Context(), folder, journal); err != nil || len(entries) != 3 {
		t.Errorf("the journal has %v, %v; want 3 entries", entries, err)
	}
}
