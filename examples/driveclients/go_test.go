package driveclients

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// goFiles is google.golang.org/api/drive/v3.
func goFiles(t *testing.T, srv *drivetest.Server) *gdrive.FilesService {
	t.Helper()
	service, err := gdrive.NewService(t.Context(), option.WithEndpoint(srv.Endpoint()), option.WithHTTPClient(srv.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return service.Files
}

func newFile(name string) *gdrive.File {
	return &gdrive.File{Name: name, Parents: []string{"appDataFolder"}}
}

const blobFields = "id,size,md5Checksum,mimeType"

func TestGoUploads(t *testing.T) {
	const multipart, resumable = "files.create", "upload.start upload.chunk"
	for _, tt := range []struct {
		name    string
		size    int
		options []googleapi.MediaOption
		ops     string
	}{
		{"empty", 0, nil, multipart},
		{"small", 2, nil, multipart},
		{"unchunked", 2 * unit, []googleapi.MediaOption{googleapi.ChunkSize(0)}, multipart},
		{"beyond 5 MiB in the default chunk", 6 << 20, nil, multipart},
		{"less than a chunk", unit - 1, []googleapi.MediaOption{googleapi.ChunkSize(unit)}, multipart},
		{"one chunk", unit, []googleapi.MediaOption{googleapi.ChunkSize(unit)}, resumable + " upload.status"},
		{"one chunk and a byte", unit + 1, []googleapi.MediaOption{googleapi.ChunkSize(unit)}, resumable + " upload.chunk"},
		{"three chunks", 3 * unit, []googleapi.MediaOption{googleapi.ChunkSize(unit)}, resumable + " upload.chunk upload.chunk upload.status"},
		{"chunk size rounded up", 3 * unit, []googleapi.MediaOption{googleapi.ChunkSize(300 << 10)}, resumable + " upload.chunk"},
		{"checksum at the end", unit + 1, []googleapi.MediaOption{googleapi.ChunkSize(unit), googleapi.EnableAutoChecksum()}, resumable + " upload.chunk"},
		{"without a type", unit + 1, []googleapi.MediaOption{googleapi.ChunkSize(unit), googleapi.ContentType("")}, resumable + " upload.chunk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := start(t, drivetest.Options{LargeSingleRequests: true})
			files := goFiles(t, srv)
			content := pattern(tt.size)
			created, err := files.Create(newFile("a")).Media(strings.NewReader(content), tt.options...).Fields(blobFields).Do()
			if err != nil {
				t.Fatal(err)
			}
			if created.Size != int64(tt.size) || created.Md5Checksum != md5Of(content) {
				t.Errorf("created %+v", created)
			}
			if stored(t, srv, "a") != content {
				t.Error("another content is stored")
			}
			if got := ops(srv); got != tt.ops {
				t.Errorf("requests: %s, want %s", got, tt.ops)
			}
			content = "new " + content
			updated, err := files.Update(created.Id, &gdrive.File{Name: "b"}).Media(strings.NewReader(content), tt.options...).Fields(blobFields).Do()
			if err != nil {
				t.Fatal(err)
			}
			if updated.Id != created.Id || updated.Md5Checksum != md5Of(content) || stored(t, srv, "b") != content {
				t.Errorf("updated %+v", updated)
			}
		})
	}
}

func TestGoResumableMedia(t *testing.T) {
	srv := start(t, drivetest.Options{})
	content := pattern(unit + 1)
	progress := int64(0)
	//lint:ignore SA1019 programs of some age call it
	call := goFiles(t, srv).Create(newFile("a")).ResumableMedia(t.Context(), strings.NewReader(content), int64(len(content)), "text/plain")
	file, err := call.ProgressUpdater(func(n, _ int64) { progress = n }).Fields(blobFields).Do()
	if err != nil {
		t.Fatal(err)
	}
	if stored(t, srv, "a") != content || file.MimeType != "text/plain" || progress != int64(len(content)) {
		t.Errorf("stored %+v, progress %d", file, progress)
	}
}

func TestGoLimitOfOneRequest(t *testing.T) {
	srv := start(t, drivetest.Options{})
	_, err := goFiles(t, srv).Create(newFile("a")).Media(strings.NewReader(pattern(6 << 20))).Do()
	expectError(t, err, 413, "uploadTooLarge")
}

// What its upload code repeats by itself.
func TestGoRepeatsChunks(t *testing.T) {
	for name, fault := range map[string]drivetest.Fault{
		"503":                 {Status: 503},
		"429":                 {Status: 429, Reason: "rateLimitExceeded"},
		"stored, but 503":     {Status: 503, Performed: true},
		"answer lost":         {Performed: true, Cut: true, Reset: true},
		"chunk cut":           {Cut: true, CutAt: unit / 2},
		"chunk cut after 2/3": {Cut: true, CutAt: 2 * unit},
	} {
		t.Run(name, func(t *testing.T) {
			srv := start(t, drivetest.Options{})
			fault.Op, fault.Nth = drivetest.OpUploadChunk, 2
			srv.Inject(fault)
			content := pattern(7 * unit)
			_, err := goFiles(t, srv).Create(newFile("a")).Media(strings.NewReader(content), googleapi.ChunkSize(3*unit)).Do()
			if err != nil {
				t.Fatal(err)
			}
			if stored(t, srv, "a") != content {
				t.Error("another content is stored")
			}
			faulty := func(r drivetest.Request) bool { return r.Faulty }
			if !slices.ContainsFunc(srv.Requests(), faulty) {
				t.Error("nothing went wrong")
			}
		})
	}
}

func TestGoSessionGone(t *testing.T) {
	srv := start(t, drivetest.Options{})
	srv.Inject(drivetest.Fault{Op: drivetest.OpUploadChunk, Nth: 2, Status: 404, Reason: "notFound"})
	_, err := goFiles(t, srv).Create(newFile("a")).Media(strings.NewReader(pattern(3*unit)), googleapi.ChunkSize(unit)).Do()
	expectError(t, err, 404, "notFound")
}

func TestGoDownload(t *testing.T) {
	srv := start(t, drivetest.Options{})
	content := pattern(1000)
	id := srv.Folder(drivetest.DefaultUser).Add(drivetest.File{Name: "a", MIMEType: "text/plain", Content: []byte(content)}).ID
	files := goFiles(t, srv)
	read := func(call *gdrive.FilesGetCall, status int) string {
		t.Helper()
		res, err := call.Download()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status || res.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("status %d, %v, error %v", res.StatusCode, res.Header, err)
		}
		return string(body)
	}
	if read(files.Get(id), 200) != content {
		t.Error("another content")
	}
	part := files.Get(id)
	part.Header().Set("Range", "bytes=990-")
	if read(part, 206) != content[990:] {
		t.Error("another part")
	}
	_, err := files.Get("nothing").Download()
	expectError(t, err, 404, "notFound")
}

func TestGoFolder(t *testing.T) {
	srv := start(t, drivetest.Options{})
	files := goFiles(t, srv)
	folder, err := files.Get("appDataFolder").Fields("id").Do()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := files.GenerateIds().Space("appDataFolder").Count(3).Do()
	if err != nil || len(ids.Ids) != 3 {
		t.Fatal(ids, err)
	}
	for _, id := range ids.Ids {
		file := newFile("f-" + id)
		file.Id, file.AppProperties = id, map[string]string{"app": "test"}
		if _, err := files.Create(file).Do(); err != nil {
			t.Fatal(err)
		}
		_, err := files.Create(file).Do()
		expectError(t, err, 409, "fileIdInUse")
	}
	var listed []string
	query := "appProperties has { key='app' and value='test' } and '" + folder.Id + "' in parents and trashed = false"
	list := files.List().Spaces("appDataFolder").Q(query).OrderBy("createdTime").PageSize(2).Fields("nextPageToken, files(id, parents)")
	err = list.Pages(t.Context(), func(page *gdrive.FileList) error {
		for _, f := range page.Files {
			listed = append(listed, f.Id)
			if !slices.Equal(f.Parents, []string{folder.Id}) {
				t.Errorf("parents %v", f.Parents)
			}
		}
		return nil
	})
	slices.Sort(listed)
	if err != nil || !slices.Equal(listed, slices.Sorted(slices.Values(ids.Ids))) {
		t.Errorf("listed %v, error %v", listed, err)
	}
	renamed, err := files.Update(ids.Ids[0], &gdrive.File{Name: "renamed"}).Do()
	if err != nil || renamed.Name != "renamed" {
		t.Error(renamed, err)
	}
	if err := files.Delete(ids.Ids[0]).Do(); err != nil {
		t.Error(err)
	}
	expectError(t, files.Delete(ids.Ids[0]).Do(), 404, "notFound")
}

func TestGoErrors(t *testing.T) {
	srv := start(t, drivetest.Options{})
	files := goFiles(t, srv)
	_, err := files.List().Do()
	expectError(t, err, 403, "insufficientScopes")
	_, err = files.Create(newFile("a")).Fields("nope").Do()
	expectError(t, err, 400, "invalidParameter")
	_, err = files.Update("appDataFolder", &gdrive.File{Trashed: true}).Do()
	expectError(t, err, 403, "notSupportedForAppDataFolderFiles")

	none := start(t, drivetest.Options{CheckToken: func(string) (string, []string, bool) { return "", nil, false }})
	_, err = goFiles(t, none).Get("appDataFolder").Do()
	expectError(t, err, 401, "required")

	other := start(t, drivetest.Options{CheckToken: func(string) (string, []string, bool) {
		return "jane", []string{"https://www.googleapis.com/auth/userinfo.email"}, true
	}})
	client := &http.Client{Transport: bearer{other.Client().Transport}}
	service, err := gdrive.NewService(t.Context(), option.WithEndpoint(other.Endpoint()), option.WithHTTPClient(client))
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.Files.Get("appDataFolder").Do()
	expectError(t, err, 403, "insufficientPermissions")
	if e, ok := errors.AsType[*googleapi.Error](err); ok && len(e.Details) != 1 {
		t.Errorf("details %v", e.Details)
	}
}

type bearer struct{ http.RoundTripper }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer token")
	return b.RoundTripper.RoundTrip(r)
}

func expectError(t *testing.T, err error, status int, reason string) {
	t.Helper()
	e, ok := errors.AsType[*googleapi.Error](err)
	if !ok || e.Code != status || len(e.Errors) != 1 || e.Errors[0].Reason != reason {
		t.Errorf("error %v, want %d %s", err, status, reason)
	}
}
