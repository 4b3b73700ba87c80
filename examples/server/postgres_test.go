//go:build unix

package main

import (
	"net/http"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/servers"
	"github.com/seed3a054f9c/googlesignin/examples/stores"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

// All statements of this program, at PostgreSQL.
func TestPostgreSQL(t *testing.T) {
	address := servers.PostgreSQL(t).DSN
	mustRun(t, options{base: "http://localhost:8080", store: address, traceSpec: "none"})
	rows, db, err := stores.PostgreSQL(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := newWorldOn(t, worldOptions{rows: rows, db: db})
	w.signIn()
	w.signIn()
	w.must(w.get("/account"), http.StatusOK, ">Connected<")
	w.must(w.post("/sign-out", nil), http.StatusSeeOther, "/")
	w.signIn()
	about := risctest.About(w.google.Issuer(), w.subject)
	w.event(risc.AccountDisabled{Meta: about, Reason: risc.Hijacking})
	w.event(risc.AccountEnabled{Meta: about})
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	w.signIn()
	w.must(w.post("/delete", nil), http.StatusSeeOther, "/message?about=deleted")
	if err := w.app.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.mustBeGone()
}
