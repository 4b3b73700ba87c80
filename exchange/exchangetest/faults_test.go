package exchangetest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

func get(ctx context.Context, srv *exchangetest.Server, path string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Close = true // no second try on a kept connection
	resp, err := srv.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestScriptCountsPerEndpoint(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Script(exchangetest.DiscoveryEndpoint,
		exchangetest.Fault{},
		exchangetest.Fault{Status: 503, Body: "busy", Times: 2},
		exchangetest.Fault{Status: 429},
	)
	want := []int{200, 503, 503, 429, 200}
	for n, want := range want {
		if status, _, err := get(t.Context(), srv, "/oauth2/v3/certs"); status != 200 {
			t.Errorf("another endpoint: %d, %v", status, err)
		}
		if status, _, err := get(t.Context(), srv, "/.well-known/openid-configuration"); status != want {
			t.Errorf("request %d: %d, %v; want %d", n+1, status, err, want)
		}
	}
	var logged []int
	for _, r := range srv.Requests(exchangetest.DiscoveryEndpoint) {
		logged = append(logged, r.Status)
	}
	if len(logged) != 5 || logged[1] != 503 {
		t.Errorf("log has %v, want %v", logged, want)
	}
}

func TestFaultHeader(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Script(exchangetest.CertsEndpoint, exchangetest.Fault{Status: 403, Body: "<html>", Header: http.Header{
		"Retry-After": {"7"}, "Content-Type": {"text/html"},
	}})
	resp, err := srv.Client().Get(srv.CertsURL())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("Retry-After") != "7" || resp.Header.Get("Content-Type") != "text/html" {
		t.Errorf("header %v", resp.Header)
	}
	srv.Script(exchangetest.CertsEndpoint, exchangetest.Fault{Header: http.Header{"Content-Length": {"0"}}})
	if status, body, err := get(t.Context(), srv, "/oauth2/v3/certs"); status != 200 || body != "" || err != nil {
		t.Errorf("a header alone: %d %q, %v; want it in place of the response", status, body, err)
	}
}

func TestFaultUntilTheNextScript(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Script(exchangetest.CertsEndpoint, exchangetest.Fault{Status: 500, Times: -1})
	for range 20 {
		if status, _, _ := get(t.Context(), srv, "/oauth2/v3/certs"); status != 500 {
			t.Fatalf("status %d, want 500", status)
		}
	}
	srv.Script(exchangetest.CertsEndpoint)
	if status, _, _ := get(t.Context(), srv, "/oauth2/v3/certs"); status != 200 {
		t.Errorf("status %d after the script was cleared", status)
	}
}

func TestFaultBeforeAndAfterTheEffect(t *testing.T) {
	tests := []struct {
		name  string
		fault exchangetest.Fault
		done  bool
	}{
		{"refused", exchangetest.Fault{Status: 503}, false},
		{"done and refused", exchangetest.Fault{Status: 503, Performed: true}, true},
		{"cut", exchangetest.Fault{Cut: true}, false},
		{"done and cut", exchangetest.Fault{Cut: true, Performed: true}, true},
		{"half an answer", exchangetest.Fault{Body: `{"access_`, Cut: true}, false},
		{"someone else's answer", exchangetest.Fault{Handler: http.NotFoundHandler()}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, exchangetest.Options{})
			form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{}))
			srv.Script(exchangetest.TokenEndpoint, tt.fault)
			resp, err := srv.Client().PostForm(srv.URL+"/token", form)
			if err == nil && tt.fault.Cut && tt.fault.Body == "" {
				t.Errorf("a response before the cut: %s", resp.Status)
			}
			var answer []byte
			if err == nil {
				answer, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if (err != nil) != tt.fault.Cut || tt.fault.Body != "" && string(answer) != tt.fault.Body {
				t.Errorf("answer %q, %v; the fault is %+v", answer, err, tt.fault)
			}
			if status, _ := post(t, srv, "/token", form); (status != 200) != tt.done {
				t.Errorf("the same exchange afterwards: %d, want done before: %v", status, tt.done)
			}
		})
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Script(exchangetest.CertsEndpoint, exchangetest.Fault{Hang: true}, exchangetest.Fault{Delay: time.Hour})
	for _, name := range []string{"hang", "delay"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, _, err := get(ctx, srv, "/oauth2/v3/certs"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the client's own deadline", name, err)
		}
		cancel()
	}
}

func TestCloseEndsHangingRequests(t *testing.T) {
	arrived := make(chan struct{}, 1)
	srv := exchangetest.NewServer(exchangetest.Options{Now: func() time.Time {
		select {
		case arrived <- struct{}{}:
		default:
		}
		return time.Now()
	}})
	srv.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Hang: true})
	answered := make(chan error)
	go func() {
		resp, err := srv.Client().PostForm(srv.URL+"/token", nil)
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	<-arrived
	srv.Close()
	if err := <-answered; err == nil {
		t.Error("a hanging request was answered")
	}
	srv.Close() // again
	if resp, err := http.Get(srv.URL); err == nil {
		resp.Body.Close()
		t.Error("the server still listens")
	}
}

func TestErrorFault(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Script(exchangetest.TokenEndpoint,
		exchangetest.ErrorFault(400, "internal_failure", ""), exchangetest.ErrorFault(503, "backend", "Backend Error"))
	form := exchangeForm(srv, srv.AppCode(exchangetest.CodeRequest{}))
	status, b := post(t, srv, "/token", form)
	if wantRefusal(t, status, b, 400, "internal_failure", ""); len(b) != 1 {
		t.Errorf("members %q, want error alone", names(b))
	}
	status, b = post(t, srv, "/token", form)
	wantRefusal(t, status, b, 503, "backend", "Backend Error")
	redeem(t, srv, form.Get("code"))
}

func TestDelayedAnswerIsTheRightOne(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Script(exchangetest.TokenEndpoint, exchangetest.Fault{Delay: time.Millisecond}, exchangetest.Fault{Delay: time.Millisecond, Performed: true})
	for range 2 {
		redeem(t, srv, srv.AppCode(exchangetest.CodeRequest{}))
	}
}

func TestInjectAddsAndScriptReplaces(t *testing.T) {
	s := start(t, exchangetest.Options{})
	status := func() int {
		resp, err := s.Client().Get(s.URL + "/tokeninfo")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	s.Script(exchangetest.TokenInfoEndpoint, exchangetest.Fault{Status: 501})
	s.Inject(exchangetest.TokenInfoEndpoint, exchangetest.Fault{Status: 502, Times: 2})
	s.Inject(exchangetest.TokenInfoEndpoint, exchangetest.Fault{Status: 503, Times: -1})
	for i, want := range []int{501, 502, 502, 503, 503} {
		if got := status(); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	s.Script(exchangetest.TokenInfoEndpoint)
	if got := status(); got != 400 {
		t.Errorf("without faults: %d, want 400", got)
	}
}

func TestHandlerDoesNotChangeTheLog(t *testing.T) {
	srv := start(t, exchangetest.Options{})
	srv.Inject(exchangetest.TokenEndpoint, exchangetest.Fault{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("code") != "x" {
			t.Errorf("the handler gets %v", r.PostForm)
		}
		r.PostForm.Del("code")
		io.WriteString(w, "{}")
	})})
	post(t, srv, "/token", exchangeForm(srv, "x"))
	if form := srv.Requests()[0].Form; form.Get("code") != "x" {
		t.Errorf("the log has %v", form)
	}
}
