package drive_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func newServer(t testing.TB, opts drivetest.Options) *drivetest.Server {
	srv := drivetest.NewServer(opts)
	t.Cleanup(srv.Close)
	return srv
}

func open(t testing.TB, cfg drive.Config) *drive.AppFolder {
	t.Helper()
	folder, err := drive.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// newFolder returns a folder at a Drive of its own, over loopback.
func newFolder(t testing.TB) (*drive.AppFolder, *drivetest.Server) {
	t.Helper()
	srv := newServer(t, drivetest.Options{})
	return open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL}), srv
}

// inBubble runs test in a bubble of fake time, where waiting costs nothing, with
// a folder that reaches handler through pipes.
func inBubble(t *testing.T, handler http.Handler, cfg drive.Config, test func(t *testing.T, folder *drive.AppFolder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		srv := &http.Server{Handler: handler}
		go srv.Serve(pipes)
		transport := &http.Transport{DialContext: pipes.dial}
		defer srv.Close()
		defer transport.CloseIdleConnections()
		cfg.HTTPClient = &http.Client{Transport: &oauth2.Transport{
			Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "at-secret"}),
			Base:   transport,
		}}
		cfg.Endpoint = "http://localhost"
		test(t, open(t, cfg))
	})
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return pipeConn{client}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipeConn says of a closed pipe what TCP says of a closed connection.
type pipeConn struct{ net.Conn }

func (c pipeConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == io.ErrClosedPipe {
		err = &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return n, err
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func put(t testing.TB, folder *drive.AppFolder, name, content string) *drive.File {
	t.Helper()
	file, err := folder.Put(t.Context(), name, strings.NewReader(content), drive.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// ops returns the kinds of the requests that srv has got so far.
func ops(srv *drivetest.Server) []drivetest.Op {
	var ops []drivetest.Op
	for _, r := range srv.Requests() {
		ops = append(ops, r.Op)
	}
	return ops
}

func contents(srv *drivetest.Server, name string) []string {
	var all []string
	for _, f := range srv.Folder(drivetest.DefaultUser).Files(name) {
		all = append(all, string(f.Content))
	}
	return all
}

func TestNewRefuses(t *testing.T) {
	client := &http.Client{}
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "at-secret"})
	tests := []struct {
		name string
		cfg  drive.Config
		want string
	}{
		{"neither", drive.Config{}, "TokenSource or an HTTPClient"},
		{"both", drive.Config{HTTPClient: client, TokenSource: tokens}, "not both"},
		{"odd chunk", drive.Config{HTTPClient: client, ChunkSize: 1000}, "ChunkSize"},
		{"negative chunk", drive.Config{HTTPClient: client, ChunkSize: -256 << 10}, "ChunkSize"},
		{"plain http", drive.Config{HTTPClient: client, Endpoint: "http://drive.example.com"}, "Endpoint: want https"},
		{"no host", drive.Config{HTTPClient: client, Endpoint: "https:///drive/v3/"}, "Endpoint"},
		{"user", drive.Config{HTTPClient: client, Endpoint: "https://at-secret@drive.example.com"}, "Endpoint"},
		{"query", drive.Config{HTTPClient: client, Endpoint: "https://drive.example.com?key=at-secret"}, "Endpoint"},
		{"fragment", drive.Config{HTTPClient: client, Endpoint: "https://drive.example.com#at-secret"}, "Endpoint"},
		{"not a URL", drive.Config{HTTPClient: client, Endpoint: "https://at-secret\x7f"}, "Endpoint: not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := drive.New(tt.cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("New: %v, want it to say %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "at-secret") {
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

func TestEndpointSpellings(t *testing.T) {
	srv := newServer(t, drivetest.Options{})
	for _, suffix := range []string{"", "/", "/drive/v3", "/drive/v3/"} {
		folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL + suffix})
		put(t, folder, "a.json", "{}")
		if _, err := folder.Stat(t.Context(), "a.json"); err != nil {
			t.Errorf("endpoint with %q: %v", suffix, err)
		}
	}
}

func TestNewLeavesTheClientAsItIs(t *testing.T) {
	client := new(http.Client)
	if open(t, drive.Config{HTTPClient: client}); client.CheckRedirect != nil || client.Transport != nil {
		t.Errorf("the caller's client became %+v", client)
	}
}

func TestInfo(t *testing.T) {
	folder, srv := newFolder(t)
	file, err := folder.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if file.ID == "" || file.ID == "appDataFolder" || file.ContentType != "application/vnd.google-apps.folder" {
		t.Errorf("Info = %+v, want a folder under its real ID", file)
	}
	if r := srv.Requests()[0]; !strings.HasSuffix(r.Path, "/files/appDataFolder") || r.Query.Get("fields") == "" {
		t.Errorf("asked for %s?%s", r.Path, r.Query.Encode())
	}
}

func TestRoundTrip(t *testing.T) {
	folder, srv := newFolder(t)
	ctx := t.Context()
	first := put(t, folder, "settings.json", `{"theme":"dark"}`)
	if first.Name != "settings.json" || first.ContentType != "application/json" || first.Size != 16 ||
		first.Revision == "" || first.MD5 == "" || first.SHA256 == "" || first.Modified.IsZero() || first.Created.IsZero() {
		t.Errorf("Put = %+v", first)
	}
	second := put(t, folder, "settings.json", `{"theme":"light"}`)
	if second.ID != first.ID || second.Revision == first.Revision {
		t.Errorf("the second Put made %+v of %+v; want the same file, another revision", second, first)
	}
	stat, err := folder.Stat(ctx, "settings.json")
	if err != nil || stat.Revision != second.Revision {
		t.Errorf("Stat = %+v, %v", stat, err)
	}
	if got := contents(srv, "settings.json"); !slices.Equal(got, []string{`{"theme":"light"}`}) {
		t.Errorf("the folder has %q", got)
	}
	if err := folder.Delete(ctx, "settings.json"); err != nil {
		t.Fatal(err)
	}
	if n := len(srv.Folder(drivetest.DefaultUser).Files()); n != 0 {
		t.Errorf("%d files after Delete", n)
	}
}

// It cannot leave the folder: every request names the space or the parent, and
// the fields.
func TestWire(t *testing.T) {
	folder, srv := newFolder(t)
	put(t, folder, "it's a \\ name.json", "{}")
	put(t, folder, "it's a \\ name.json", "[]")
	want := []drivetest.Op{drivetest.OpList, drivetest.OpList, drivetest.OpGenerateIDs, drivetest.OpCreate, drivetest.OpList, drivetest.OpGet, drivetest.OpUpdate}
	if got := ops(srv); !slices.Equal(got, want) {
		t.Errorf("requests %v, want %v", got, want)
	}
	for _, r := range srv.Requests() {
		if r.Query.Get("fields") == "" {
			t.Errorf("%s without fields", r.Op)
		}
		switch r.Op {
		case drivetest.OpList:
			const parent = `'appDataFolder' in parents and trashed = false and mimeType != 'application/vnd.google-apps.folder'`
			const name = ` and name = 'it\'s a \\ name.json'`
			if q := r.Query.Get("q"); r.Query.Get("spaces") != "appDataFolder" || q != parent && q != parent+name || r.Query.Get("pageSize") != "1000" {
				t.Errorf("list with %v", r.Query)
			}
		case drivetest.OpGenerateIDs:
			if r.Query.Get("space") != "appDataFolder" || r.Query.Get("type") != "files" {
				t.Errorf("generateIds with %v", r.Query)
			}
		case drivetest.OpCreate, drivetest.OpUpdate:
			if r.Query.Get("uploadType") != "multipart" {
				t.Errorf("%s with %v", r.Op, r.Query)
			}
		}
	}
}
