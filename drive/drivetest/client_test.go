package drivetest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// A client speaks to a server as written down in the API's reference.
type client struct {
	t     *testing.T
	srv   *drivetest.Server
	token string
}

func newClient(t *testing.T, opts drivetest.Options) *client {
	t.Helper()
	srv := drivetest.NewServer(opts)
	t.Cleanup(srv.Close)
	return &client{t: t, srv: srv, token: "token"}
}

// as returns a client with another token.
func (c *client) as(token string) *client {
	return &client{t: c.t, srv: c.srv, token: token}
}

// oneShot takes a connection for each request: on a kept one, net/http repeats a
// GET whose answer was lost.
var oneShot = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

type reply struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

// send makes a request whose headers come as "Name: value" and fails the test if
// it cannot be made.
func (c *client) send(method, path, body string, headers ...string) *reply {
	c.t.Helper()
	r, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (c *client) try(method, path, body string, headers ...string) (*reply, error) {
	c.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = c.srv.URL + path
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if h == "Content-Length: unknown" {
			req.ContentLength = -1
		}
	}
	res, err := oneShot.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	r := &reply{status: res.StatusCode, header: res.Header, body: raw}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && len(raw) > 0 {
		if err := json.Unmarshal(raw, &r.json); err != nil {
			c.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return r, nil
}

// ok makes a request that must succeed.
func (c *client) ok(method, path, body string, headers ...string) *reply {
	c.t.Helper()
	r := c.send(method, path, body, headers...)
	if r.status/100 != 2 {
		c.t.Fatalf("%s %s: status %d\n%s", method, path, r.status, r.body)
	}
	return r
}

// refused makes a request that must fail, with Google's form of an error.
func (c *client) refused(status int, reason, method, path, body string, headers ...string) *reply {
	c.t.Helper()
	r := c.send(method, path, body, headers...)
	if r.status != status || r.reason() != reason {
		c.t.Fatalf("%s %s: status %d, reason %q; want %d, %q\n%s", method, path, r.status, r.reason(), status, reason, r.body)
	}
	return r
}

func (r *reply) reason() string {
	var body struct {
		Error struct {
			Code    int
			Message string
			Errors  []struct{ Domain, Reason, Message string }
		}
	}
	if json.Unmarshal(r.body, &body) != nil || len(body.Error.Errors) != 1 {
		return ""
	}
	e := body.Error
	if e.Code != r.status || e.Message == "" || e.Errors[0].Message != e.Message || e.Errors[0].Domain == "" {
		return ""
	}
	return e.Errors[0].Reason
}

func (r *reply) str(name string) string {
	s, _ := r.json[name].(string)
	return s
}

const (
	filesPath  = "/drive/v3/files"
	uploadPath = "/upload/drive/v3/files"
	inFolder   = `"parents":["appDataFolder"]`
)

// create makes a file by a multipart upload and returns its ID.
func (c *client) create(name, content string) string {
	c.t.Helper()
	body, contentType := related(`{"name":`+quote(name)+`,`+inFolder+`}`, "text/plain", content)
	return c.ok("POST", uploadPath+"?uploadType=multipart", body, contentType).str("id")
}

// related is a multipart/related body, and its Content-Type header.
func related(metadata, contentType, content string) (body, header string) {
	return "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" + metadata +
		"\r\n--b\r\nContent-Type: " + contentType + "\r\n\r\n" + content + "\r\n--b--\r\n", "Content-Type: multipart/related; boundary=b"
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// listed returns the names that files.list finds, with more parameters.
func (c *client) listed(more string) []string {
	c.t.Helper()
	r := c.ok("GET", filesPath+"?spaces=appDataFolder"+strings.ReplaceAll(more, " ", "%20"), "")
	names := []string{}
	files, _ := r.json["files"].([]any)
	for _, f := range files {
		name, _ := f.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}

// A clock stands still until told otherwise.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// inProcess makes a GET without a connection.
func (c *client) inProcess(path string) (status int, body string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+c.token)
	c.srv.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
