package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/examples/internal/guests"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A library signs users in to the fake Google and keeps their grants in its own
// way, in the file named by OUT. The programs in testdata get all else from their
// environment too. One that is a web page prints "authorize URL", and gets the
// address to which the browser is sent back.
func (w *world) library(cmd *exec.Cmd, env ...string) {
	w.Helper()
	code := func(user string) string {
		return w.google.AppCode(exchangetest.CodeRequest{User: user, Scopes: []string{"openid", "email", appdata}, ForceConsent: true})
	}
	out := filepath.Join(w.dir, "old")
	cmd.Env = append(guests.Environ(), "FAKE="+w.google.URL, "OUT="+out,
		"CLIENT_ID="+w.google.ClientID(), "CLIENT_SECRET="+w.google.ClientSecret(),
		"CODE="+code(jane), "CODE2="+code(john), "CODE3="+code(mary),
		"POPUP_CODE="+w.google.PopupCode(exchangetest.CodeRequest{User: jane, Scopes: []string{"openid", appdata}, ForceConsent: true}),
	)
	cmd.Env = append(cmd.Env, env...)
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		url, ok := strings.CutPrefix(lines.Text(), "authorize ")
		if !ok {
			log.WriteString(lines.Text() + "\n")
			continue
		}
		back, err := w.google.Authorize(url, exchangetest.Choice{User: jane})
		if err != nil {
			w.Error(err)
			in.Close()
			continue
		}
		fmt.Fprintln(in, back)
	}
	if err := cmd.Wait(); err != nil {
		w.Fatalf("%v: %v\n%s", cmd.Args, err, log.Bytes())
	}
	w.o.in = out
}

func from(format string) func(*options) { return func(o *options) { o.from = format } }

func TestOauth2client(t *testing.T) {
	python := guests.Python(t, "oauth2client", "python3-oauth2client")
	w := newWorld(t, exchangetest.Options{})
	t.Setenv("http_proxy", "http://127.0.0.1:9") // of a developer's machine, which does not lead to the fake
	w.library(exec.CommandContext(t.Context(), python, "testdata/python/oauth2client_storage.py"))
	w.wantLines([]string{"1 due"}, from("oauth2client"), dryRun) // the sub is known
	w.wantLines([]string{"1 taken"}, from("oauth2client"))
	w.wantKept(jane)
}

func TestDjango(t *testing.T) {
	python := guests.Python(t, "allauth, social_django", "python3-django-allauth python3-social-django")
	w := newWorld(t, exchangetest.Options{})
	w.library(exec.CommandContext(t.Context(), python, "testdata/python/django_tables.py"))
	w.o.db, w.o.in = "sqlite:"+w.o.in, ""
	w.wantLines([]string{"1 due"}, from("django-allauth"), dryRun)
	w.wantLines([]string{"1 taken"}, from("django-allauth"))
	w.wantKept(jane)
	w.o.report += "2"
	w.wantLines([]string{"1 due", "1 due: Google will be asked whose it is"}, from("social-auth"), dryRun)
	w.wantLines([]string{"2 taken"}, from("social-auth"))
	w.wantKept(jane, john, mary)
}

func TestRuby(t *testing.T) {
	ruby := guests.Ruby(t)
	w := newWorld(t, exchangetest.Options{})
	w.library(exec.CommandContext(t.Context(), ruby, "testdata/ruby/file_token_store.rb"),
		"PATH=") // or it runs the gcloud of this machine, for each of its credentials
	w.wantLines([]string{"1 skipped: no refresh token is kept", "1 taken"}, from("googleauth-ruby"))
	w.wantKept(jane)
}

func TestJava(t *testing.T) {
	jars := guests.Java(t)
	w := newWorld(t, exchangetest.Options{})
	w.library(exec.CommandContext(t.Context(), "java", "-cp", jars, "testdata/java/Keep.java"),
		"REFRESH_TOKEN="+w.consent(jane, "openid").RefreshToken)
	export := exec.CommandContext(t.Context(), "java", "-cp", jars, "StoredCredentials.java", w.o.in)
	export.Env = guests.Environ()
	exported, err := export.Output()
	if err != nil {
		t.Fatal(err)
	}
	w.o.in = w.file("grants.jsonl", string(exported))
	w.wantLines([]string{"1 skipped: no refresh token is kept", "1 taken"}, from("java-stored-credential"))
	w.wantKept(jane)
	if report, _ := os.ReadFile(w.o.report); !strings.Contains(string(report), `"user":"jane \"quoted\"","subject":"`+jane) {
		t.Errorf("the report is\n%s", report)
	}
}

func TestNode(t *testing.T) {
	dir := guests.NPM(t)
	node := func(t *testing.T, script string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "node", script)
		cmd.Dir = dir
		return cmd
	}
	t.Run("google-auth-library", func(t *testing.T) {
		w := newWorld(t, exchangetest.Options{})
		w.library(node(t, "google-auth-library.mjs"))
		w.wantLines([]string{"1 due"}, from("google-auth-library"), dryRun)
		w.wantLines([]string{"1 taken"}, from("google-auth-library"))
		w.wantKept(jane)
	})
	t.Run("authjs", func(t *testing.T) {
		w := newWorld(t, exchangetest.Options{})
		w.library(node(t, "authjs.mjs"))
		w.insert("accounts")
		w.wantLines([]string{"1 due"}, from("authjs"), dryRun)
		w.wantLines([]string{"1 taken"}, from("authjs"))
		w.wantKept(jane)
	})
	for _, c := range []struct{ name, secrets, lacks, env string }{
		{"plain", `{"encrypt": false, "secrets": {"secret": "an invented secret of 32 characters"}}`, "", ""},
		{"encrypted", `{"encrypt": true, "secrets": {"secret": "an invented secret of 32 characters"}}`, "BETTER_AUTH_SECRET",
			"OTHER=x\nexport BETTER_AUTH_SECRET=\"an invented secret of 32 characters\"\n"},
		{"versions", `{"encrypt": true, "secrets": {"secrets": [{"version": 12, "value": "the newer invented: 32 characters"}, {"version": 3, "value": "older"}]}}`, "version 12 of BETTER_AUTH_SECRETS",
			"BETTER_AUTH_SECRETS='12:the newer;'\nBETTER_AUTH_SECRET=older"},
	} {
		t.Run("better-auth, "+c.name, func(t *testing.T) {
			w := newWorld(t, exchangetest.Options{})
			w.library(node(t, "better-auth.mjs"), "BETTER_AUTH="+c.secrets)
			w.insert("account")
			if c.env != "" {
				w.wantLines([]string{"1 skipped: encrypted, and -secret lacks " + c.lacks}, from("better-auth"))
				w.o.secret = w.file(".env", c.env)
			}
			if c.name == "versions" {
				w.wantLines([]string{"1 skipped: encrypted with another secret"}, from("better-auth"))
				w.file(".env", "BETTER_AUTH_SECRETS=\"3:older, 12:the newer invented: 32 characters\"")
			}
			w.wantLines([]string{"1 due"}, from("better-auth"), dryRun)
			w.wantLines([]string{"1 taken"}, from("better-auth"))
			w.wantKept(jane)
		})
	}
}

// insert puts the rows of -in, a file of JSON, into a table of a database, as a
// library's adapter does.
func (w *world) insert(table string) {
	w.Helper()
	text, err := os.ReadFile(w.o.in)
	if err != nil {
		w.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) == 0 {
		w.Fatal(err, "no rows")
	}
	path := filepath.Join(w.dir, "old.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	var columns []string
	for name := range rows[0] {
		columns = append(columns, `"`+name+`"`)
	}
	slices.Sort(columns)
	list := strings.Join(columns, ", ")
	if _, err := db.Exec("CREATE TABLE " + table + " (" + list + ")"); err != nil {
		w.Fatal(err)
	}
	for _, r := range rows {
		var values []any
		for _, name := range columns {
			values = append(values, r[strings.Trim(name, `"`)])
		}
		if _, err := db.Exec("INSERT INTO "+table+" VALUES (?"+strings.Repeat(", ?", len(values)-1)+")", values...); err != nil {
			w.Fatal(err)
		}
	}
	w.o.db, w.o.in = "sqlite:"+path, ""
}
