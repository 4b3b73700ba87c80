package main

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

func TestDisconnect(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("kept.txt", "kept"), http.StatusSeeOther, "/files")
	w.must(w.post("/disconnect", nil), http.StatusSeeOther, "/account")
	w.must(w.get("/account"), http.StatusOK, ">Not connected<")
	if grants := w.google.Grants(); len(grants) != 0 {
		t.Errorf("Google has still %v", grants)
	}
	w.must(w.get("/files"), http.StatusOK, "has no access to it")
	w.must(w.redirect("/connect", exchangetest.Choice{}), http.StatusSeeOther, "/account")
	w.must(w.get("/files"), http.StatusOK, "kept.txt")
}

func TestAccessRemovedAtGoogle(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.google.RemoveAccess(jane)
	w.app.grants.Invalidate(w.subject, "")
	w.must(w.get("/files"), http.StatusForbidden, "Google asks for your consent again")
	w.must(w.get("/account"), http.StatusOK, "Not connected any more")
	w.must(w.get("/connect"), http.StatusSeeOther, "prompt=consent")
	w.must(w.redirect("/connect", exchangetest.Choice{}), http.StatusSeeOther, "/account")
	if to := w.get("/connect?feature=calendar").to; strings.Contains(to, "prompt=") {
		t.Errorf("consent is forced although a refresh token is kept: %s", to)
	}
	w.must(w.get("/files"), http.StatusOK, "There are no files yet")
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("a.txt", "a"), http.StatusSeeOther, "/files")
	w.must(w.get("/delete"), http.StatusOK, "all settings and files")
	w.must(w.post("/delete", nil), http.StatusSeeOther, "/message?about=deleted")
	w.mustBeGone()
	w.must(w.get("/account"), http.StatusSeeOther, "/")
	w.signIn() // like a new user
	w.must(w.get("/files"), http.StatusOK, "There are no files yet")
}

func (w *world) mustBeGone() {
	w.Helper()
	if files := w.drive.Folder(w.subject).Files(); len(files) != 0 {
		w.Errorf("%d files are left in Drive", len(files))
	}
	if grants := w.google.Grants(); len(grants) != 0 {
		w.Errorf("Google has still %v", grants)
	}
	for _, table := range []string{"app_users", "app_sessions", "google_grants"} {
		if n := w.count(table); n != 0 {
			w.Errorf("%d rows are left in %s", n, table)
		}
	}
}

// A deletion goes on where it was broken off: while Drive or Google does not answer,
// nothing after that step is done, and a sign-in does not come in between.
func TestDeleteGoesOn(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("a.txt", "a"), http.StatusSeeOther, "/files")

	w.drive.Inject(drivetest.Fault{Op: drivetest.OpDelete, Status: 403, Reason: "dailyLimitExceeded"})
	w.must(w.post("/delete", nil), http.StatusSeeOther, "/account")
	w.must(w.get("/account"), http.StatusOK, "Your data is being deleted")
	w.must(w.upload("b.txt", "b"), http.StatusConflict, "Your data is being deleted")
	if len(w.google.Grants()) != 1 {
		t.Error("the access was ended before the files were deleted")
	}

	w.google.Inject(exchangetest.RevokeEndpoint, exchangetest.Fault{Status: 503})
	if err := w.app.tidy(t.Context()); err == nil {
		t.Error("tidied up although Google did not answer")
	}
	if files := w.drive.Folder(w.subject).Files(); len(files) != 0 || w.count("google_grants") != 1 || w.count("app_users") != 1 {
		t.Errorf("%d files, %d grants, %d users", len(files), w.count("google_grants"), w.count("app_users"))
	}

	next, err := newApp(w.config) // another process
	if err != nil {
		t.Fatal(err)
	}
	w.newBrowser()
	w.must(w.popup(exchangetest.CodeRequest{Scopes: firstScopes, ForceConsent: true}), http.StatusConflict, `"deleting"`)
	if n := w.count("google_grants"); n != 0 {
		t.Errorf("%d grants after a sign-in that was refused", n)
	}
	if err := next.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.mustBeGone()
	w.signIn()
}

// A sign-in while the files cannot be deleted yet does not take the access away that
// this needs.
func TestSignInDuringADeletion(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("a.txt", "a"), http.StatusSeeOther, "/files")
	busy := drivetest.Fault{Op: drivetest.OpDelete, Status: 403, Reason: "dailyLimitExceeded", Times: 2}
	w.drive.Inject(busy)
	w.must(w.post("/delete", nil), http.StatusSeeOther, "/account")
	w.newBrowser()
	w.must(w.popup(exchangetest.CodeRequest{Scopes: firstScopes, ForceConsent: true}), http.StatusConflict, `"deleting"`)
	if err := w.app.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.mustBeGone()
}

// A deletion that runs once more, after the user has come back, leaves everything alone.
func TestLateDeletion(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("a.txt", "a"), http.StatusSeeOther, "/files")
	w.must(w.post("/delete", nil), http.StatusSeeOther, "/message?about=deleted")
	w.mustBeGone()
	w.newBrowser()
	w.signIn()
	w.must(w.upload("b.txt", "b"), http.StatusSeeOther, "/files")
	late, err := newApp(w.config) // another process, which has seen the user on its list before
	if err != nil {
		t.Fatal(err)
	}
	if err := late.finishDeletion(t.Context(), w.subject); err != nil {
		t.Error(err)
	}
	if grants := w.google.Grants(); len(grants) != 1 {
		t.Errorf("Google has %d grants, want 1", len(grants))
	}
	w.must(w.get("/files"), http.StatusOK, "b.txt")
}

// While one process deletes a user, others do not; and a sign-in that it has not seen
// keeps it from deleting the user without the grant.
func TestDeletionTakesTurns(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload("a.txt", "a"), http.StatusSeeOther, "/files")
	if err := w.app.db.markDeleting(t.Context(), w.subject); err != nil {
		t.Fatal(err)
	}
	deletion, err := w.app.db.deletionOf(t.Context(), w.subject)
	if err != nil {
		t.Fatal(err)
	}
	key := tokenstore.Key{ClientID: w.google.ClientID(), Subject: w.subject}
	release, ok, err := w.app.store.Lease(t.Context(), key, deletionPurpose, time.Hour)
	if err != nil || !ok {
		t.Fatalf("the lease: %t, %v", ok, err)
	}

	w.must(w.post("/delete", nil), http.StatusSeeOther, "/account")
	if err := w.app.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.newBrowser()
	w.must(w.popup(exchangetest.CodeRequest{Scopes: firstScopes, ForceConsent: true}), http.StatusConflict, `"deleting"`)
	if files := w.drive.Folder(w.subject).Files(); len(files) != 1 || w.count("google_grants") != 1 || w.count("app_sessions") != 1 {
		t.Errorf("%d files, %d grants, %d sessions: another process did not wait for its turn",
			len(files), w.count("google_grants"), w.count("app_sessions"))
	}

	if err := w.app.db.deleteUser(t.Context(), w.subject, deletion); !errors.Is(err, errDeleting) {
		t.Errorf("the last step after a sign-in: %v, want errDeleting", err)
	}
	release()
	if w.count("app_sessions") != 1 {
		t.Error("that step has ended a session, and left the user")
	}
	if err := w.app.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.mustBeGone()
}

// Without access to Drive, the page says so, and the rest is deleted.
func TestDeleteWithoutDrive(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.post("/disconnect", nil), http.StatusSeeOther, "/account")
	w.must(w.get("/delete"), http.StatusOK, "cannot delete the files there")
	w.must(w.post("/delete", nil), http.StatusSeeOther, "/message?about=deleted")
	w.mustBeGone()
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	revision := func() string {
		_, after, _ := strings.Cut(w.get("/files").page, `name="revision" value="`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	save := func(greeting, revision string) answer {
		return w.post("/settings", url.Values{"greeting": {greeting}, "week_start": {"sunday"}, "revision": {revision}})
	}
	one, two := revision(), revision() // two tabs
	w.must(save("Hi", one), http.StatusSeeOther, "/files")
	w.must(save("Hi", one), http.StatusSeeOther, "/files") // the button was clicked twice
	page := w.must(save("<b>Moin", two), http.StatusConflict, "changed in another tab").page
	if !strings.Contains(page, "&lt;b&gt;Moin") {
		t.Error("the second tab has lost what was typed")
	}
	w.must(w.get("/files"), http.StatusOK, `value="Hi"`)
	w.must(save("Moin", revision()), http.StatusSeeOther, "/files")
	w.must(w.get("/files"), http.StatusOK, `value="Moin"`)
	for _, bad := range []url.Values{{}, {"revision": {"x"}, "week_start": {"friday"}}, {"week_start": {"monday"}}} {
		w.must(w.post("/settings", bad), http.StatusBadRequest, "This did not work")
	}
}

func TestFiles(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	w.must(w.upload(`..\x/<i>one.html`, "<script>alert(1)</script>"), http.StatusSeeOther, "/files")
	w.must(w.get("/files"), http.StatusOK, "&lt;i&gt;one.html")
	a := w.must(w.get("/files/content?name="+url.QueryEscape("<i>one.html")), http.StatusOK, "alert(1)")
	if a.header.Get("Content-Security-Policy") != "sandbox" || a.header.Get("Content-Type") != "application/octet-stream" ||
		!strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("a file may be shown as a page: %v", a.header)
	}
	w.must(w.get("/files/content?name=settings.json"), http.StatusNotFound, "This did not work")
	w.must(w.post("/files/delete", url.Values{"name": {"<i>one.html"}}), http.StatusSeeOther, "/files")
	w.must(w.post("/files/delete", url.Values{"name": {"<i>one.html"}}), http.StatusSeeOther, "/files")
	w.must(w.get("/files"), http.StatusOK, "There are no files yet")
	w.must(w.do("POST", "/files", "text/plain", "x"), http.StatusBadRequest, "This did not work")
	w.must(w.do("POST", "/files", "multipart/form-data; boundary=x", "--x--"), http.StatusBadRequest, "This did not work")
	other := "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n2\r\n--x--"
	w.must(w.do("POST", "/files", "multipart/form-data; boundary=x", other), http.StatusBadRequest, "This did not work")
	w.drive.SetQuota(10)
	w.must(w.upload("b", strings.Repeat("x", 3<<20)), http.StatusInsufficientStorage, "Your Drive is full")
	w.must(w.upload("b", "x", asPage...), http.StatusSeeOther, "/files")
	w.must(w.upload("b", strings.Repeat("x", 11), asPage...), http.StatusInsufficientStorage, `"drive_full"`)
	w.drive.SetQuota(0)
	w.app.maxFile = 1 << 20
	w.must(w.upload("b", strings.Repeat("x", 3<<20)), http.StatusRequestEntityTooLarge, "This file is too large")
}

// A person who waits is told so after a while, and nothing is lost.
func TestGoogleIsSlow(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	short := w.app.forUser(50*time.Millisecond, w.app.showFiles)
	w.drive.Inject(drivetest.Fault{Hang: true})
	site := http.NewServeMux()
	site.Handle("GET /files", short)
	w.must(w.through(site, "/files"), http.StatusServiceUnavailable, "Google is slow")
	w.drive.Script() // on a busy machine the time may have ended before
	w.must(w.get("/files"), http.StatusOK, "There are no files yet")
}

// Of an upload that breaks off, nothing is kept.
func TestUploadBreaksOff(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for _, size := range []int{10, 3 << 20} {
		body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"half\"\r\n\r\n" + strings.Repeat("x", size)
		w.must(w.do("POST", "/files", "multipart/form-data; boundary=x", body), http.StatusBadRequest, "This did not work")
		w.must(w.get("/files"), http.StatusOK, "There are no files yet")
	}
}
