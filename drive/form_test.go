package drive_test

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// The form in which sessions are kept: later versions read it too.
func TestKeptUpload(t *testing.T) {
	const kept = `{"url":"https://www.googleapis.com/upload/drive/v3/files?uploadType=resumable&upload_id=ABPtcPo",` +
		`"name":"backup.tar","file_id":"1a2B3c","size":1048576,"started":"2026-11-24T12:00:00Z"}`
	var u drive.Upload
	if err := u.UnmarshalBinary([]byte(kept)); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC); u.Name() != "backup.tar" || !u.Expires().Equal(want) {
		t.Errorf("read %q, until %v", u.Name(), u.Expires())
	}
	written, err := u.MarshalBinary()
	var again map[string]any
	if err := errors.Join(err, json.Unmarshal(written, &again)); err != nil {
		t.Fatal(err)
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(kept), &first); err != nil || !maps.Equal(again, first) {
		t.Errorf("wrote %v, read %v", again, first)
	}
}
