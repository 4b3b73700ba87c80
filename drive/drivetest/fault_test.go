package drivetest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

const folderPath = filesPath + "/appDataFolder"

func TestFaultAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  drivetest.Fault
		status int
		reason string
		check  func(*reply) bool
	}{
		{"status alone", drivetest.Fault{Status: 503}, 503, "backendError", nil},
		{"reason", drivetest.Fault{Status: 403, Reason: "rateLimitExceeded"}, 403, "rateLimitExceeded",
			func(r *reply) bool { return strings.Contains(string(r.body), `"domain": "usageLimits"`) }},
		{"Retry-After", drivetest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, 429, "backendError",
			func(r *reply) bool { return r.header.Get("Retry-After") == "7" }},
		{"body", drivetest.Fault{Status: 502, Body: "<html>bad gateway"}, 502, "",
			func(r *reply) bool {
				return string(r.body) == "<html>bad gateway" && strings.HasPrefix(r.header.Get("Content-Type"), "text/html")
			}},
		{"body without status", drivetest.Fault{Body: `{"id":"other"}`}, 200, "",
			func(r *reply) bool { return string(r.body) == `{"id":"other"}` }},
		{"header of the right answer", drivetest.Fault{Header: http.Header{"Etag": {"e"}}}, 200, "",
			func(r *reply) bool { return r.header.Get("ETag") == "e" && r.str("kind") == "drive#file" }},
		{"header", drivetest.Fault{Status: 500, Header: http.Header{"Content-Type": {"text/plain"}}}, 500, "backendError",
			func(r *reply) bool { return r.header.Get("Content-Type") == "text/plain" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{})
			c.srv.Inject(tt.fault)
			r := c.refused(tt.status, tt.reason, "GET", folderPath, "")
			if tt.check != nil && !tt.check(r) {
				t.Errorf("%v\n%s", r.header, r.body)
			}
			c.ok("GET", folderPath, "")
		})
	}
}

func TestFaultsHit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []drivetest.Fault
		want   string // statuses of five requests for the folder
	}{
		{"next", []drivetest.Fault{{Status: 503}}, "503 200 200 200 200"},
		{"third", []drivetest.Fault{{Status: 503, Nth: 3}}, "200 200 503 200 200"},
		{"two in a row", []drivetest.Fault{{Status: 503, Nth: 2, Times: 2}}, "200 503 503 200 200"},
		{"for ever", []drivetest.Fault{{Status: 503, Nth: 4, Times: -1}}, "200 200 200 503 503"},
		{"408, as any other", []drivetest.Fault{{Status: 408}}, "408 200 200 200 200"},
		{"another kind", []drivetest.Fault{{Status: 503, Op: drivetest.OpList}}, "200 200 200 200 200"},
		{"one after the other", []drivetest.Fault{{Status: 503}, {Status: 500, Nth: 2}}, "503 500 200 200 200"},
		{"both at once", []drivetest.Fault{{Status: 503, Op: drivetest.OpGet}, {Status: 500, Times: 2}}, "503 500 200 200 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{})
			c.srv.Inject(tt.faults...)
			var got []string
			for range 5 {
				got = append(got, http.StatusText(c.send("GET", folderPath, "").status))
			}
			want := strings.NewReplacer("408", "Request Timeout", "200", "OK", "503", "Service Unavailable", "500", "Internal Server Error").Replace(strings.ReplaceAll(tt.want, " ", ","))
			if strings.Join(got, ",") != want {
				t.Errorf("got %s, want %s", strings.Join(got, ","), want)
			}
		})
	}
}

func TestFaultAndEffect(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  drivetest.Fault
		files  int
		status int // 0: no answer
	}{
		{"refused", drivetest.Fault{Status: 503}, 0, 503},
		{"refused, but performed", drivetest.Fault{Status: 503, Performed: true}, 1, 503},
		{"cut in the request", drivetest.Fault{Cut: true}, 0, 0},
		{"cut after the request", drivetest.Fault{Cut: true, CutAt: 1 << 20}, 0, 0},
		{"answer lost", drivetest.Fault{Performed: true, Cut: true}, 1, 0},
		{"answer lost by a reset", drivetest.Fault{Performed: true, Cut: true, Reset: true}, 1, 0},
		{"answer cut in its header", drivetest.Fault{Performed: true, Cut: true, CutAt: 30}, 1, 0},
		{"refusal lost", drivetest.Fault{Status: 503, Cut: true}, 0, 0},
		{"replaced, and that lost", drivetest.Fault{Status: 503, Performed: true, Cut: true}, 1, 0},
		{"body in place of it", drivetest.Fault{Body: "{}"}, 0, 200},
		{"half a body", drivetest.Fault{Body: "{}", Cut: true, CutAt: 20}, 0, 0},
		{"answer whole", drivetest.Fault{Performed: true, Cut: true, CutAt: 1 << 20}, 1, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{})
			c.srv.Inject(tt.fault)
			r, err := c.try("POST", filesPath, `{"name":"a",`+inFolder+`}`)
			if (err != nil) != (tt.status == 0) || err == nil && r.status != tt.status {
				t.Errorf("answer %+v, error %v", r, err)
			}
			if n := len(c.srv.Folder(drivetest.DefaultUser).Files()); n != tt.files {
				t.Errorf("%d files, want %d", n, tt.files)
			}
			if _, reset := errors.AsType[*net.OpError](err); tt.fault.Reset && !reset { // an orderly close is io.EOF
				t.Errorf("error %v, want a reset", err)
			}
		})
	}
}

func TestScript(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	c.srv.Inject(drivetest.Fault{Status: 500, Times: -1}, drivetest.Fault{Status: 501, Nth: 2, Times: -1})
	c.refused(500, "backendError", "GET", folderPath, "")
	c.srv.Script(drivetest.Fault{Status: 502}, drivetest.Fault{Status: 503, Nth: 2})
	c.refused(502, "backendError", "GET", folderPath, "")
	c.refused(503, "backendError", "GET", folderPath, "")
	c.ok("GET", folderPath, "")
	c.srv.Inject(drivetest.Fault{Status: 500, Times: -1})
	c.srv.Script()
	c.ok("GET", folderPath, "")
}

// A fault's header stays out of what a session answers the next time.
func TestFaultHeaderOnce(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	location := c.start()
	header := http.Header{"X-Once": {"yes"}}
	c.srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Header: header})
	header.Set("X-Once", "changed later")
	for _, want := range []string{"yes", ""} {
		if got := c.ok("PUT", location, "hello").header.Get("X-Once"); got != want {
			t.Errorf("header %q, want %q", got, want)
		}
	}
}

// 408 on a session's start and on a chunk leaves the session as it was.
func TestRequestTimeoutInSession(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	c.srv.Inject(drivetest.Fault{Op: drivetest.OpUploadStart, Status: 408}, drivetest.Fault{Op: drivetest.OpUploadChunk, Status: 408})
	c.refused(408, "backendError", "POST", uploadPath+"?uploadType=resumable", `{`+inFolder+`}`)
	location := c.start()
	c.refused(408, "backendError", "PUT", location, "hello")
	c.expect308(c.send("PUT", location, "", "Content-Range: bytes */5"), "")
	c.ok("PUT", location, "hello")
	c.stored("hello")
}

// At every byte of an answer: what arrived is the beginning of the whole.
func TestCutAnswerAnywhere(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	id := c.create("a", "content")
	const contentAt = 7
	whole := 0
	for at := 0; whole == 0; at++ {
		c.srv.Inject(drivetest.Fault{Op: drivetest.OpDownload, Performed: true, Cut: true, CutAt: at})
		r, err := c.try("GET", filesPath+"/"+id+"?alt=media", "")
		if err == nil {
			if string(r.body) != "content" {
				t.Fatalf("cut at %d: %q", at, r.body)
			}
			whole = at
		}
	}
	if whole < contentAt+len("HTTP/1.1 200 OK\r\n") {
		t.Errorf("an answer of %d bytes", whole)
	}
	c.srv.Inject(drivetest.Fault{Status: 503, Body: "busy", Cut: true, CutAt: 1 << 20})
	if r, err := c.try("DELETE", filesPath+"/"+id, ""); err != nil || r.status != 503 || string(r.body) != "busy" {
		t.Errorf("the fault's own answer, cut after its end: %v, %v", r, err)
	}
	c.stored("content")
}

func TestCutChunk(t *testing.T) {
	content := pattern(4 * unit)
	for _, tt := range []struct {
		at   int
		kept string
	}{{0, ""}, {unit - 1, ""}, {unit, "bytes=0-262143"}, {2*unit + 5, "bytes=0-524287"}} {
		c := newClient(t, drivetest.Options{})
		location := c.start()
		c.srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Cut: true, CutAt: tt.at})
		if _, err := c.try("PUT", location, content, "Content-Range: bytes 0-1048575/1048576"); err == nil {
			t.Errorf("cut at %d: an answer", tt.at)
		}
		c.expect308(c.send("PUT", location, "", "Content-Range: bytes */1048576"), tt.kept)
	}
}

func TestKeepPartOfChunk(t *testing.T) {
	content := pattern(3 * unit)
	c := newClient(t, drivetest.Options{})
	location := c.start()
	c.srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Keep: 2*unit + 100})
	c.expect308(c.send("PUT", location, content, "Content-Range: bytes 0-786431/786432"), "bytes=0-524287")
	c.ok("PUT", location, content[2*unit:], "Content-Range: bytes 524288-786431/786432")
	c.stored(content)
}

func TestHang(t *testing.T) {
	for name, end := range map[string]func(srv *drivetest.Server, cancel func()){
		"client leaves": func(_ *drivetest.Server, cancel func()) { cancel() },
		"server closes": func(srv *drivetest.Server, _ func()) { srv.Close() }, // does not wait for ever
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, drivetest.Options{})
			c.srv.Inject(drivetest.Fault{Op: drivetest.OpUpdate, Hang: true})
			id := c.create("a", "x")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// Too much for any buffer: when it is sent, the server has been reading it.
			body := &signal{Reader: strings.NewReader(strings.Repeat("x", 16<<20)), sent: make(chan struct{})}
			req, _ := http.NewRequestWithContext(ctx, "PATCH", c.srv.URL+uploadPath+"/"+id+"?uploadType=media", body)
			go func() {
				<-body.sent
				end(c.srv, cancel)
			}()
			if _, err := c.srv.Client().Do(req); err == nil {
				t.Error("an answer from a request that hangs")
			}
			c.srv.Close()
			c.stored("x")
		})
	}
}

// A request whose body nobody has read does not keep the server from closing.
func TestCloseDuringDelay(t *testing.T) {
	c := newClient(t, drivetest.Options{})
	c.srv.Inject(drivetest.Fault{Delay: time.Hour})
	failed := make(chan error)
	go func() {
		_, err := c.try("POST", filesPath, `{`+inFolder+`}`)
		failed <- err
	}()
	for len(c.srv.Requests()) == 0 {
		runtime.Gosched()
	}
	c.srv.Close()
	if err := <-failed; err == nil {
		t.Error("an answer")
	}
	if files := c.srv.Folder(drivetest.DefaultUser).Files(); len(files) != 0 {
		t.Errorf("a request whose client has left was performed: %v", files)
	}
}

// signal tells when it has been read.
type signal struct {
	io.Reader
	sent chan struct{}
}

func (s *signal) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		close(s.sent)
	}
	return n, err
}

func TestDelay(t *testing.T) {
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()
	synctest.Test(t, func(t *testing.T) {
		srv.Inject(drivetest.Fault{Delay: time.Hour})
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", folderPath, nil)
		r.Header.Set("Authorization", "Bearer token")
		start := time.Now()
		srv.ServeHTTP(w, r)
		if w.Code != 200 || time.Since(start) != time.Hour {
			t.Errorf("status %d after %v", w.Code, time.Since(start))
		}
	})
}
