package driveclients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// A sent is a request as a client sent it.
type sent struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
}

// A recorder keeps what goes through it.
type recorder struct {
	http.RoundTripper

	mu       sync.Mutex
	requests []sent
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body bytes.Buffer
	if req.Body != nil {
		io.Copy(&body, req.Body)
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body.Bytes()))
	}
	r.mu.Lock()
	r.requests = append(r.requests, sent{req.Method, req.URL, req.Header.Clone(), body.Bytes()})
	r.mu.Unlock()
	return r.RoundTripper.RoundTrip(req)
}

// answer answers everything with 200 and an empty object.
type answer struct{}

func (answer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// kinds of requests, by method and path.
func (s *sent) kind() string {
	kind := s.method + " " + path.Base(s.url.Path)
	switch at := s.url.Query(); {
	case at.Has("upload_id"):
		return "chunk"
	case at.Has("uploadType"):
		return s.method + " " + at.Get("uploadType")
	case at.Has("alt") && at.Get("alt") != "json":
		return "GET " + at.Get("alt")
	case path.Base(path.Dir(s.url.Path)) == "files" && path.Base(s.url.Path) != "generateIds":
		return s.method + " file"
	}
	return kind
}

// What package drive sends is what google.golang.org/api/drive/v3 sends for the
// same call. Only the chunks of a resumable upload differ: drive speaks PUT and
// 308, as Google documents it, and drive/v3 POST.
func TestDriveSendsWhatGoogleSends(t *testing.T) {
	srv := start(t, drivetest.Options{})
	wire := &recorder{RoundTripper: srv.Client().Transport}
	useDrive(t, srv, &http.Client{Transport: wire})

	seen := map[string]int{}
	for _, ours := range wire.requests {
		seen[ours.kind()]++
		if ours.kind() == "chunk" {
			continue
		}
		theirs := repeat(t, &ours)
		if a, b := canonical(t, &ours), canonical(t, theirs); a != b {
			t.Errorf("drive sends\n%s\ndrive/v3 sends\n%s", a, b)
		}
	}
	for _, kind := range []string{
		"GET file", "GET files", "GET generateIds", "GET media", "PATCH file", "DELETE file",
		"POST multipart", "PATCH multipart", "POST resumable", "PATCH resumable", "chunk",
	} {
		if seen[kind] == 0 {
			t.Errorf("drive sent no %s", kind)
		}
	}
	t.Log(seen)
}

// useDrive makes every kind of request that package drive can make.
func useDrive(t *testing.T, srv *drivetest.Server, client *http.Client) {
	t.Helper()
	ctx := t.Context()
	folder, err := drive.New(drive.Config{HTTPClient: client, Endpoint: srv.URL, ChunkSize: unit})
	if err != nil {
		t.Fatal(err)
	}
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	put := func(name, content string, opts drive.PutOptions) {
		t.Helper()
		_, err := folder.Put(ctx, name, strings.NewReader(content), opts)
		ok("put "+name, err)
	}
	_, err = folder.Info(ctx)
	ok("info", err)
	odd := `It's a \ "name" <ü>, 100% & /+?`
	put(odd, "<hello> & bye", drive.PutOptions{Properties: map[string]string{"a": "1", "b": `<"&>`}})
	put(odd, "bye", drive.PutOptions{ContentType: "text/plain; charset=utf-8", Properties: map[string]string{"a": "", "b": "2"}})
	put(odd, "bye", drive.PutOptions{ContentType: "text/plain", Properties: map[string]string{"b": ""}})
	put("big", pattern(2*unit+1), drive.PutOptions{ContentType: "image/png"})
	put("big", pattern(unit+1), drive.PutOptions{Properties: map[string]string{"c": "3"}})
	_, err = folder.Put(ctx, "stream", io.MultiReader(strings.NewReader(pattern(unit+1))), drive.PutOptions{})
	ok("put a stream", err)
	_, err = folder.SetProperties(ctx, odd, map[string]string{"b": "", "c": "new"})
	ok("set properties", err)
	_, err = folder.SetProperties(ctx, odd, map[string]string{"c": ""})
	ok("remove properties", err)
	_, err = folder.Stat(ctx, odd)
	ok("stat", err)
	r, err := folder.Open(ctx, odd)
	ok("open", err)
	_, err = io.ReadAll(r)
	ok("read", err)
	_, err = r.ReadAt(make([]byte, 1), 1)
	ok("read a part", err)
	_, err = folder.Rename(ctx, odd, "renamed")
	ok("rename", err)
	for range 1001 { // more than a page
		srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "many"})
	}
	for _, q := range []drive.Query{
		{}, {Name: odd}, {Prefix: odd}, {ContentType: "text/plain"},
		{ModifiedAfter: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))},
		{Order: drive.ByName}, {Order: drive.NewestFirst},
	} {
		for _, err := range folder.Files(ctx, q) {
			ok("list", err)
		}
	}
	_, err = folder.Usage(ctx)
	ok("usage", err)
	ok("delete", folder.Delete(ctx, "renamed"))
	_, err = folder.DeleteAll(ctx)
	ok("delete all", err)
}

// repeat makes the same call with drive/v3 and returns what that sends.
func repeat(t *testing.T, ours *sent) *sent {
	t.Helper()
	wire := &recorder{RoundTripper: answer{}}
	root := strings.TrimSuffix(ours.url.Scheme+"://"+ours.url.Host, "/")
	service, err := gdrive.NewService(t.Context(), option.WithHTTPClient(&http.Client{Transport: wire}),
		option.WithEndpoint(root+"/drive/v3/"))
	if err != nil {
		t.Fatal(err)
	}
	files, q := service.Files, ours.url.Query()
	fields, id := googleapi.Field(q.Get("fields")), path.Base(ours.url.Path)
	number := func(name string) int64 {
		n, err := strconv.ParseInt(q.Get(name), 10, 64)
		if err != nil {
			t.Fatalf("%s is %q", name, q.Get(name))
		}
		return n
	}
	switch ours.kind() {
	case "GET file":
		files.Get(id).Fields(fields).Do()
	case "GET media":
		call := files.Get(id)
		maps.Copy(call.Header(), http.Header{"Range": ours.header["Range"]})
		call.Download()
	case "GET files":
		call := files.List().Spaces(q.Get("spaces")).Q(q.Get("q")).PageSize(number("pageSize")).Fields(fields)
		if q.Has("orderBy") {
			call.OrderBy(q.Get("orderBy"))
		}
		if q.Has("pageToken") {
			call.PageToken(q.Get("pageToken"))
		}
		call.Do()
	case "GET generateIds":
		files.GenerateIds().Space(q.Get("space")).Type(q.Get("type")).Count(number("count")).Fields(fields).Do()
	case "DELETE file":
		files.Delete(id).Do()
	case "PATCH file":
		files.Update(id, asFile(t, ours.body)).Fields(fields).Do()
	case "POST multipart", "PATCH multipart":
		metadata, contentType, content := parts(t, ours)
		upload(files, id, ours.method, asFile(t, metadata), fields, bytes.NewReader(content),
			googleapi.ContentType(contentType), googleapi.ChunkSize(0))
	case "POST resumable", "PATCH resumable":
		upload(files, id, ours.method, asFile(t, ours.body), fields, strings.NewReader(pattern(unit+1)),
			googleapi.ContentType(ours.header.Get("X-Upload-Content-Type")), googleapi.ChunkSize(unit))
	default:
		t.Fatalf("drive/v3 has no call for %s %s", ours.method, ours.url)
	}
	if len(wire.requests) == 0 {
		t.Fatalf("drive/v3 sent nothing for %s %s", ours.method, ours.url)
	}
	return &wire.requests[0]
}

func upload(files *gdrive.FilesService, id, method string, file *gdrive.File, fields googleapi.Field, content io.Reader, options ...googleapi.MediaOption) {
	if method == http.MethodPost {
		files.Create(file).Media(content, options...).Fields(fields).Do()
		return
	}
	files.Update(id, file).Media(content, options...).Fields(fields).Do()
}

// asFile makes the value that drive/v3 encodes as body.
func asFile(t *testing.T, body []byte) *gdrive.File {
	t.Helper()
	file := new(gdrive.File)
	var raw struct{ AppProperties map[string]*string }
	if err := errors.Join(json.Unmarshal(body, file), json.Unmarshal(body, &raw)); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for key, value := range raw.AppProperties {
		if value == nil {
			delete(file.AppProperties, key)
			file.NullFields = append(file.NullFields, "AppProperties."+key)
			file.ForceSendFields = []string{"AppProperties"}
		}
	}
	return file
}

// parts takes a multipart/related body apart.
func parts(t *testing.T, s *sent) (metadata []byte, contentType string, content []byte) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(s.header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/related" {
		t.Fatalf("Content-Type %q", s.header.Get("Content-Type"))
	}
	reader := multipart.NewReader(bytes.NewReader(s.body), params["boundary"])
	next := func(headers int) ([]byte, string) {
		part, err := reader.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if len(part.Header) != headers {
			t.Errorf("headers of a part: %v", part.Header)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		return b, part.Header.Get("Content-Type")
	}
	metadata, kind := next(1)
	if kind, _, _ := mime.ParseMediaType(kind); kind != "application/json" {
		t.Errorf("metadata of type %q", kind)
	}
	content, contentType = next(1)
	if _, err := reader.NextPart(); err != io.EOF {
		t.Errorf("after two parts: %v", err)
	}
	return metadata, contentType, content
}

// canonical is a request with everything that matters in it, and nothing else: the
// parameters alt=json and prettyPrint change only the form of the answer, and
// X-Upload-Content-Length is something that drive/v3 cannot know of a reader.
func canonical(t *testing.T, s *sent) string {
	t.Helper()
	var b strings.Builder
	q := s.url.Query()
	if q.Get("alt") == "json" {
		q.Del("alt")
	}
	q.Del("prettyPrint")
	fmt.Fprintf(&b, "%s %s?%s", s.method, s.url.EscapedPath(), q.Encode())
	for _, name := range []string{"Range", "Content-Range", "If-Match", "X-Upload-Content-Type", "Content-Encoding", "X-Http-Method-Override"} {
		if v := s.header.Values(name); len(v) > 0 {
			fmt.Fprintf(&b, "\n%s: %q", name, v)
		}
	}
	if len(s.body) == 0 {
		return b.String()
	}
	body := s.body
	mediaType, _, _ := mime.ParseMediaType(s.header.Get("Content-Type"))
	fmt.Fprintf(&b, "\nContent-Type: %s", mediaType)
	if mediaType == "multipart/related" {
		metadata, contentType, content := parts(t, s)
		fmt.Fprintf(&b, "\ncontent of type %s: %q", contentType, content)
		body = metadata
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	sorted, _ := json.Marshal(value)
	fmt.Fprintf(&b, "\n%s", sorted)
	return b.String()
}

// fixed answers every request the same.
func fixed(t *testing.T, status int, header http.Header, body string) (*drive.AppFolder, *gdrive.FilesService) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	service, err := gdrive.NewService(t.Context(), option.WithHTTPClient(srv.Client()), option.WithEndpoint(srv.URL+"/drive/v3/"))
	if err != nil {
		t.Fatal(err)
	}
	return folder, service.Files
}

// What package drive reads of a File resource is what drive/v3 reads.
func TestDriveReadsWhatGoogleReads(t *testing.T) {
	for name, body := range map[string]string{
		"everything": `{"kind":"drive#file","id":"1a","name":"n","mimeType":"text/plain","headRevisionId":"r","md5Checksum":"m",
			"sha1Checksum":"s","sha256Checksum":"t","size":"12","createdTime":"2026-11-02T09:30:00.000Z","modifiedTime":"2026-11-02T09:30:00.001Z",
			"appProperties":{"a":"1","b":""},"properties":{"c":"3"},"parents":["p"],"capabilities":{"canEdit":true},"version":"3"}`,
		"only an ID":           `{"id":"1a"}`,
		"nothing":              `{}`,
		"no ID":                `{"name":"n"}`,
		"null":                 `null`,
		"null members":         `{"id":"1a","name":null,"size":null,"createdTime":null,"appProperties":null}`,
		"null property":        `{"id":"1a","appProperties":{"a":null}}`,
		"empty properties":     `{"id":"1a","appProperties":{}}`,
		"size as a number":     `{"id":"1a","size":12}`,
		"size too large":       `{"id":"1a","size":"9223372036854775808"}`,
		"largest size":         `{"id":"1a","size":"9223372036854775807"}`,
		"negative size":        `{"id":"1a","size":"-1"}`,
		"empty size":           `{"id":"1a","size":""}`,
		"size with a space":    `{"id":"1a","size":" 1"}`,
		"a number as name":     `{"id":"1a","name":7}`,
		"an ID that is none":   `{"id":{}}`,
		"zone in a time":       `{"id":"1a","createdTime":"2026-11-02T09:30:00.5+05:30"}`,
		"no time":              `{"id":"1a","createdTime":"yesterday","modifiedTime":""}`,
		"a number as time":     `{"id":"1a","createdTime":5}`,
		"escapes":              `{"id":"1a","name":"\u003c\ud83d\ude00\n\u2028\\\""}`,
		"half a surrogate":     `{"id":"1a","name":"\ud83d"}`,
		"invalid UTF-8":        "{\"id\":\"1a\",\"name\":\"\xff\"}",
		"another case":         `{"ID":"1a","Name":"n","MIMETYPE":"t"}`,
		"a name twice":         `{"id":"1a","name":"a","name":"b"}`,
		"a list":               `[{"id":"1a"}]`,
		"a string":             `"1a"`,
		"something after it":   `{"id":"1a"} {"id":"2b"}`,
		"white space":          " \n{\"id\":\"1a\"}\n\n",
		"no JSON":              `<html>`,
		"not a property":       `{"id":"1a","appProperties":{"a":1}}`,
		"properties as a list": `{"id":"1a","appProperties":["a"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			folder, files := fixed(t, 200, nil, body)
			theirs, theirErr := files.Get("appDataFolder").Context(t.Context()).Do()
			ours, ourErr := folder.Info(t.Context())
			if theirErr != nil || theirs == nil || theirs.Id == "" { // drive/v3 takes null for no File
				if ourErr == nil {
					t.Fatalf("drive reads %+v; drive/v3 %+v, %v", ours, theirs, theirErr)
				}
				return
			}
			if ourErr != nil {
				t.Fatalf("drive: %v; drive/v3 reads %+v", ourErr, theirs)
			}
			if want := asOurs(theirs); !reflect.DeepEqual(ours, want) {
				t.Errorf("drive reads\n%+v\ndrive/v3\n%+v", ours, want)
			}
		})
	}
}

// asOurs is a File as package drive has it.
func asOurs(f *gdrive.File) *drive.File {
	created, _ := time.Parse(time.RFC3339, f.CreatedTime)
	modified, _ := time.Parse(time.RFC3339, f.ModifiedTime)
	return &drive.File{
		ID: f.Id, Name: f.Name, ContentType: f.MimeType, Revision: f.HeadRevisionId, MD5: f.Md5Checksum,
		SHA256: f.Sha256Checksum, Size: f.Size, Created: created, Modified: modified, Properties: f.AppProperties,
	}
}

// The googleapi.Error in an error of package drive is drive/v3's, without the body.
func TestDriveErrorsAreGoogles(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
	}{
		"errors and details": {403, `{"error":{"code":403,"message":"m","errors":[{"domain":"global","reason":"insufficientPermissions","message":"m"},
			{"reason":"second","message":"n"}],"status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
			"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT","domain":"googleapis.com"}]}}`},
		"code differs":   {400, `{"error":{"code":418,"message":"m"}}`},
		"no code":        {400, `{"error":{"message":"m"}}`},
		"error a string": {400, `{"error":"invalid_request","error_description":"d"}`},
		"no error":       {404, `{}`},
		"HTML":           {404, `<html>not found`},
		"empty":          {404, ``},
		"null":           {404, `null`},
		"a list":         {409, `[{"error":{"code":409,"message":"m"}}]`},
		"cut off":        {409, `{"error":{"code":409,"mess`},
		"412":            {412, `{"error":{"code":412,"message":"m","errors":[{"reason":"conditionNotMet","message":"m"}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			folder, files := fixed(t, tt.status, http.Header{"X-Custom": {"x"}}, tt.body)
			_, theirErr := files.Get("appDataFolder").Context(t.Context()).Do()
			_, ourErr := folder.Info(t.Context())
			theirs, ok1 := errors.AsType[*googleapi.Error](theirErr)
			ours, ok2 := errors.AsType[*googleapi.Error](ourErr)
			if !ok1 || !ok2 {
				t.Fatalf("drive: %v; drive/v3: %v", ourErr, theirErr)
			}
			if ours.Body != "" || strings.Contains(ourErr.Error(), tt.body) && tt.body != "" {
				t.Errorf("the error has the body: %v", ourErr)
			}
			equal := func(a, b googleapi.ErrorItem) bool { return a == b }
			if ours.Code != theirs.Code || ours.Message != theirs.Message || !slices.EqualFunc(ours.Errors, theirs.Errors, equal) {
				t.Errorf("drive %+v\ndrive/v3 %+v", ours, theirs)
			}
		})
	}
}
