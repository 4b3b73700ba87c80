package drive_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// The source decides how long a token is good: after a 401 it may have another.
func TestTokenSourceIsAskedEachTime(t *testing.T) {
	srv := newServer(t, drivetest.Options{CheckToken: func(token string) (string, []string, bool) {
		return "1", []string{drive.Scope}, token == "second"
	}})
	token := "first"
	folder := open(t, drive.Config{Endpoint: srv.URL, TokenSource: tokenSource(func() (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: token}, nil
	})})
	e, ok := errors.AsType[*drive.Error](errOf(folder.Info(t.Context())))
	if !ok || e.Status != http.StatusUnauthorized {
		t.Fatalf("%v, want a 401", e)
	}
	token = "second"
	if _, err := folder.Info(t.Context()); err != nil {
		t.Error(err)
	}
}

// An answer without end is given up, once. Content may have any length.
func TestAnswersAreBounded(t *testing.T) {
	body := &counter{r: io.MultiReader(strings.NewReader(`{"files":[{"name":"`), io.LimitReader(letters{}, 80*mib))}
	requests := 0
	folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		requests++
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	})}})
	_, err := folder.Stat(t.Context(), "a")
	if err == nil || requests != 1 || body.n > 40*mib {
		t.Errorf("%v after %d requests and %d bytes, want an error after one, and 32 MiB at most", err, requests, body.n)
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestContentIsNotBounded(t *testing.T) {
	content := make([]byte, 33*mib)
	srv := httptest.NewServer(sink(content))
	defer srv.Close()
	folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	r, err := folder.Open(t.Context(), "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
