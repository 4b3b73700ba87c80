package loopback

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// nowhere is an address that no machine has (RFC 5737).
const nowhere = "192.0.2.1:0"

// TestListenElsewhere pins that a machine without the first address gets the next.
func TestListenElsewhere(t *testing.T) {
	l, err := listen(nowhere, "127.0.0.1:0")
	if err != nil {
		l, err = listen(nowhere, "[::1]:0") // a machine without IPv4
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		t.Errorf("listens on %s", l.Addr())
	}
	if _, err := listen(nowhere, nowhere); err == nil || strings.Count(err.Error(), "192.0.2.1") != 2 {
		t.Errorf("error %v, want one that names both addresses", err)
	}
}

func start(t *testing.T, h http.HandlerFunc) *Server {
	s, err := NewServer(h)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// TestCloseWaits pins that Close lets a request under way have its answer, and
// that none is served afterwards.
func TestCloseWaits(t *testing.T) {
	arrived, goOn := make(chan bool), make(chan bool)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-goOn
		io.WriteString(w, "answer")
	})
	client := &http.Client{Transport: new(http.Transport)}
	type result struct {
		body string
		err  error
	}
	got := make(chan result)
	go func() {
		var r result
		resp, err := client.Get(s.URL)
		if r.err = err; err == nil {
			var body []byte
			body, r.err = io.ReadAll(resp.Body)
			resp.Body.Close()
			r.body = string(body)
		}
		got <- r
	}()
	<-arrived
	closed := make(chan bool)
	go func() {
		s.Close()
		close(closed)
	}()
	for { // until it listens no more
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			break
		}
		c.Close()
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	default:
	}
	goOn <- true
	if r := <-got; r.err != nil || r.body != "answer" {
		t.Errorf("%q, %v", r.body, r.err)
	}
	<-closed
	if _, err := client.Get(s.URL); err == nil {
		t.Error("served after Close")
	}
	s.Close() // once more does nothing
}

// TestCloseIdle pins that Close waits neither for idle connections nor for
// those that have sent nothing.
func TestCloseIdle(t *testing.T) {
	s := start(t, func(http.ResponseWriter, *http.Request) {})
	silent, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client := &http.Client{Transport: new(http.Transport)}
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.Close()
	if n, err := silent.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes of a connection that Close should have closed", n)
	}
}
