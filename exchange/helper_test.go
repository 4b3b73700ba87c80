package exchange_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

const (
	clientID     = "1234-web.apps.googleusercontent.com"
	clientSecret = "GOCSPX-marked-client-secret"
	goodCode     = "4/0Amarked-authorization-code"
	tokenAnswer  = `{"access_token":"ya29.marked-access-token","expires_in":3599,"refresh_token":"1//marked-refresh-token",` +
		`"scope":"openid https://www.googleapis.com/auth/userinfo.email","token_type":"Bearer","id_token":"eyJ.marked-id-token.sig"}`
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// google is a token endpoint in memory: it answers with what is scripted, the
// last answer again and again, and keeps every form that it was sent.
type google struct {
	mu     sync.Mutex
	script []func(*http.Request) (*http.Response, error)
	got    []url.Values
	paths  []string
}

func (g *google) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil { // a GET has none
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.got = append(g.got, form)
	g.paths = append(g.paths, r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type"))
	next := g.script[0]
	if len(g.script) > 1 {
		g.script = g.script[1:]
	}
	g.mu.Unlock()
	return next(r)
}

// posts returns how many requests have come.
func (g *google) posts() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.got)
}

type answerFunc = func(*http.Request) (*http.Response, error)

// says answers with a status, a body, and headers given in pairs.
func says(status int, body string, header ...string) answerFunc {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: h, Request: r,
			ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

// fails answers with an error of the transport.
func fails(err error) answerFunc {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func scripted(script ...answerFunc) *google { return &google{script: script} }

// newClient returns a client that speaks to g, with changes to its Config.
func newClient(t testing.TB, g http.RoundTripper, change ...func(*exchange.Config)) *exchange.Client {
	t.Helper()
	cfg := exchange.Config{
		ClientID: clientID, ClientSecret: clientSecret,
		HTTPClient: &http.Client{Transport: g},
		Now:        func() time.Time { return start },
	}
	for _, c := range change {
		c(&cfg)
	}
	client, err := exchange.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
