package drive_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// The table of the package documentation, row by row.
func TestErrors(t *testing.T) {
	const once, five = 1, 5
	none := errors.New("no sentinel")
	tests := []struct {
		status     int
		reason     string
		tries      int
		is         error
		httpStatus int
	}{
		{401, "authError", once, none, 401},
		{401, "required", once, none, 401},
		{403, "insufficientPermissions", once, drive.ErrScope, 403},
		{403, "insufficientScopes", once, drive.ErrScope, 403},
		{403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", once, drive.ErrScope, 403},
		{403, "userRateLimitExceeded", five, drive.ErrRateLimited, 429},
		{403, "rateLimitExceeded", five, drive.ErrRateLimited, 429},
		{403, "sharingRateLimitExceeded", five, drive.ErrRateLimited, 429},
		{429, "rateLimitExceeded", five, drive.ErrRateLimited, 429},
		{429, "somethingElse", five, drive.ErrRateLimited, 429},
		{403, "dailyLimitExceeded", once, drive.ErrRateLimited, 429},
		{403, "storageQuotaExceeded", once, drive.ErrQuota, 507},
		{403, "activeItemCreationLimitExceeded", once, drive.ErrQuota, 507},
		{403, "numChildrenInNonRootLimitExceeded", once, drive.ErrQuota, 507},
		{403, "accessNotConfigured", once, none, 500},
		{403, "SERVICE_DISABLED", once, none, 500},
		{403, "domainPolicy", once, none, 403},
		{403, "notSupportedForAppDataFolderFiles", once, none, 403},
		{404, "notFound", once, fs.ErrNotExist, 404},
		{409, "fileIdInUse", once, drive.ErrConflict, 409},
		{412, "conditionNotMet", once, drive.ErrConflict, 409},
		{400, "badRequest", once, none, 500},
		{500, "internalError", five, none, 503},
		{502, "badGateway", five, none, 503},
		{503, "backendError", five, none, 503},
		{504, "gatewayTimeout", five, none, 503},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status, " ", tt.reason), func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			srv.Inject(drivetest.Fault{Status: tt.status, Reason: tt.reason, Times: -1})
			inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
				start := time.Now()
				_, err := folder.Info(t.Context())
				checkError(t, err, tt.status, tt.reason, tt.is, tt.httpStatus)
				if n := len(srv.Requests()); n != tt.tries {
					t.Errorf("%d requests, want %d", n, tt.tries)
				}
				if waited := time.Since(start); tt.tries == once && waited != 0 || tt.tries == five && (waited < 7*time.Second || waited > 24*time.Second) {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

func checkError(t *testing.T, err error, status int, reason string, is error, httpStatus int) {
	t.Helper()
	for _, sentinel := range []error{drive.ErrScope, drive.ErrQuota, drive.ErrRateLimited, drive.ErrConflict, fs.ErrNotExist} {
		if errors.Is(err, sentinel) != (sentinel == is) {
			t.Errorf("errors.Is(%v, %v) = %v", err, sentinel, errors.Is(err, sentinel))
		}
	}
	e, ok := errors.AsType[*drive.Error](err)
	if !ok || e.Status != status || e.Reason != reason || e.HTTPStatus() != httpStatus {
		t.Fatalf("error %#v, want status %d, reason %q, HTTPStatus %d", e, status, reason, httpStatus)
	}
	if api, ok := errors.AsType[*googleapi.Error](err); !ok || api.Code != status || api.Body != "" {
		t.Errorf("googleapi.Error %+v, want its code, and no body", api)
	}
	if text := err.Error(); strings.Count(text, "drive: ") != 1 || !strings.Contains(text, reason) {
		t.Errorf("text %q, want one prefix, and the reason", text)
	}
}

func TestErrorShapes(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		is         error
		reason     string
	}{
		{"details only", `{"error":{"code":403,"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`, 403, drive.ErrScope, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"both", `{"error":{"code":403,"errors":[{"reason":"storageQuotaExceeded"}],"details":[{"reason":"OTHER"}]}}`, 403, drive.ErrQuota, "storageQuotaExceeded"},
		{"forbidden, with details", `{"error":{"code":403,"errors":[{"reason":"forbidden"}],"details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`, 403, drive.ErrScope, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"several", `{"error":{"code":403,"errors":[{"reason":"forbidden"},{"reason":"storageQuotaExceeded"}]}}`, 403, drive.ErrQuota, "storageQuotaExceeded"},
		{"several that mean nothing here", `{"error":{"code":404,"errors":[{"reason":"first"},{"reason":"second"}],"details":[{"reason":"THIRD"}]}}`, 404, fs.ErrNotExist, "first"},
		{"HTML", "<html>at-secret</html>", 404, fs.ErrNotExist, ""},
		{"empty", " ", 404, fs.ErrNotExist, ""},
		{"reason is prose", `{"error":{"errors":[{"reason":"your token at-secret"}]}}`, 404, fs.ErrNotExist, ""},
		{"reason is endless", `{"error":{"errors":[{"reason":"` + strings.Repeat("a", 65) + `"}]}}`, 404, fs.ErrNotExist, ""},
		{"details of another type", `{"error":{"code":404,"details":["at-secret",7,{"reason":7}]}}`, 404, fs.ErrNotExist, ""},
		{"a megabyte", strings.Repeat("at-secret", 1<<17), 404, fs.ErrNotExist, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder, srv := newFolder(t)
			srv.Inject(drivetest.Fault{Status: tt.status, Body: tt.body})
			_, err := folder.Info(t.Context())
			e, ok := errors.AsType[*drive.Error](err)
			if !ok || !errors.Is(err, tt.is) || e.Reason != tt.reason {
				t.Fatalf("%v, want %v with reason %q", err, tt.is, tt.reason)
			}
			encoded, _ := json.Marshal(e)
			if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, encoded); strings.Contains(text, "at-secret") {
				t.Errorf("the body got into %s", text)
			}
		})
	}
}

func TestUnreadableAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"HTML":           "<html>at-secret",
		"size":           `{"id":"1","size":"at-secret"}`,
		"size by number": `{"id":"1","size":7}`,
		"wrong type":     `{"id":{"at-secret":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			folder, srv := newFolder(t)
			srv.Inject(drivetest.Fault{Status: http.StatusOK, Body: body})
			_, err := folder.Info(t.Context())
			status, ok := errors.AsType[interface {
				error
				HTTPStatus() int
			}](err)
			if !ok || status.HTTPStatus() != http.StatusBadGateway || strings.Contains(err.Error(), "at-secret") {
				t.Errorf("%v, want a 502 without the body", err)
			}
			if len(srv.Requests()) != 1 {
				t.Errorf("asked %d times", len(srv.Requests()))
			}
		})
	}
}

// However long an error is, little of it is read.
func TestErrorBodyIsBounded(t *testing.T) {
	body := &counter{r: io.LimitReader(zeros{}, 10*mib)}
	folder := open(t, drive.Config{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 404, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	})}})
	if _, err := folder.Info(t.Context()); !errors.Is(err, fs.ErrNotExist) || body.n > 128*kib {
		t.Errorf("%v after %d bytes", err, body.n)
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// Half an answer is a broken connection, also where no length was announced.
func TestHalfAnAnswer(t *testing.T) {
	for _, body := range []string{" ", `{"id":"1","na`} {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Status: http.StatusOK, Body: body})
		inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
			if _, err := folder.Info(t.Context()); err != nil || len(srv.Requests()) != 2 {
				t.Errorf("%q: %v after %d requests, want a retry", body, err, len(srv.Requests()))
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name, header string
		tries        int
		wait         time.Duration
		retryAfter   time.Duration
	}{
		{"seconds", "20", 2, 20 * time.Second, 0},
		{"too long", "3600", 1, 0, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, drivetest.Options{})
			srv.Inject(drivetest.Fault{Status: 429, Reason: "rateLimitExceeded", Header: http.Header{"Retry-After": {tt.header}}})
			inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
				start := time.Now()
				_, err := folder.Info(t.Context())
				if took := time.Since(start); took < tt.wait || took > tt.wait+tt.wait/5 {
					t.Errorf("waited %v, want %v", took, tt.wait)
				}
				if n := len(srv.Requests()); n != tt.tries {
					t.Errorf("%d requests, want %d", n, tt.tries)
				}
				e, _ := errors.AsType[*drive.Error](err)
				if (tt.retryAfter > 0) != (e != nil) || e != nil && e.RetryAfter != tt.retryAfter {
					t.Errorf("%v with %+v, want RetryAfter %v", err, e, tt.retryAfter)
				}
			})
		})
	}
}

func TestErrScopeNamesTheScope(t *testing.T) {
	srv := newServer(t, drivetest.Options{CheckToken: func(string) (string, []string, bool) {
		return "1", []string{"https://www.googleapis.com/auth/drive.file"}, true
	}})
	inBubble(t, srv, drive.Config{}, func(t *testing.T, folder *drive.AppFolder) {
		_, err := folder.Stat(t.Context(), "a.json")
		if !errors.Is(err, drive.ErrScope) || !strings.Contains(err.Error(), drive.Scope) {
			t.Errorf("%v, want ErrScope with the scope to ask for", err)
		}
	})
}
