package driveclients

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// A putClient uploads as Google's guide describes it, with PUT and 308
// (https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable).
type putClient struct {
	t    *testing.T
	http *http.Client
	url  string // of the session
}

func openSession(t *testing.T, srv *drivetest.Server, metadata string) *putClient {
	t.Helper()
	c := &putClient{t: t, http: srv.Client(), url: srv.URL + "/upload/drive/v3/files?uploadType=resumable"}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", c.url, strings.NewReader(metadata))
	req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	c.url = res.Header.Get("Location")
	return c
}

// put sends a part of the content, or asks for the status if it is empty, and
// returns how much of it the server has. It has it all once done.
func (c *putClient) put(part string, at, total int) (have int, done bool, err error) {
	req, _ := http.NewRequestWithContext(c.t.Context(), "PUT", c.url, strings.NewReader(part))
	req.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", total))
	if part != "" {
		req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, at+len(part)-1, total))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	switch {
	case res.StatusCode/100 == 2:
		return total, true, nil
	case res.StatusCode != 308:
		return 0, false, fmt.Errorf("status %d", res.StatusCode)
	}
	if r := res.Header.Get("Range"); r != "" {
		if _, err := fmt.Sscanf(r, "bytes=0-%d", &have); err != nil {
			return 0, false, err
		}
		have++
	}
	return have, false, nil
}

// upload sends the content in chunks and asks for the status after each failure.
func (c *putClient) upload(content string, chunk int) {
	c.t.Helper()
	have, done := 0, false
	for tries := 0; !done; tries++ {
		if tries > 20 {
			c.t.Fatal("no end in sight")
		}
		var err error
		have, done, err = c.put(content[have:min(have+chunk, len(content))], have, len(content))
		if err != nil {
			if have, done, err = c.put("", 0, len(content)); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

func TestPutAnd308(t *testing.T) {
	const chunk = 2 * unit
	content := pattern(5*unit + 3)
	for name, fault := range map[string]drivetest.Fault{
		"nothing wrong":    {Op: drivetest.OpDelete},
		"503":              {Status: 503},
		"stored, but 503":  {Status: 503, Performed: true},
		"answer lost":      {Performed: true, Cut: true},
		"last answer lost": {Performed: true, Cut: true, Nth: 3},
		"chunk cut":        {Cut: true, CutAt: unit + 100},
		"part kept":        {Keep: unit},
	} {
		t.Run(name, func(t *testing.T) {
			srv := start(t, drivetest.Options{})
			if fault.Op == "" {
				fault.Op = drivetest.OpUploadChunk
			}
			srv.Inject(fault)
			openSession(t, srv, `{"name":"a","parents":["appDataFolder"]}`).upload(content, chunk)
			if stored(t, srv, "a") != content {
				t.Error("another content is stored")
			}
		})
	}
}
