package drive_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// What one release writes and a later one reads, and the names on which dashboards
// are built.

func TestUploadIsPinned(t *testing.T) {
	const pinned = `{"url":"https://www.googleapis.com/upload/drive/v3/files?upload_id=u","name":"map.bin",` +
		`"file_id":"f","size":1048576,"started":"2026-03-01T12:00:00Z"}`
	var u drive.Upload
	if err := u.UnmarshalBinary([]byte(pinned)); err != nil {
		t.Fatal(err)
	}
	if got, err := u.MarshalBinary(); err != nil || string(got) != pinned {
		t.Errorf("MarshalBinary = %s, %v\nwant %s", got, err, pinned)
	}
}

// Request.Op has these values.
func TestOpsArePinned(t *testing.T) {
	want := []string{"files.list", "files.get", "files.media", "files.create", "files.update", "files.delete",
		"files.generateIds", "upload.start", "upload.chunk", "upload.status"}
	source, err := os.ReadFile("transport.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, match := range regexp.MustCompile(`(?m)^\top[A-Z]\w+ += "([a-zA-Z.]+)"$`).FindAllSubmatch(source, -1) {
		got = append(got, string(match[1]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the operations are %q, want %q", got, want)
	}
	for _, op := range want {
		if !regexp.MustCompile(`(?s)// Op is the method .*\b` + regexp.QuoteMeta(op) + `\b.*\tOp string`).Match(source) {
			t.Errorf("%s is not documented", op)
		}
	}
}
