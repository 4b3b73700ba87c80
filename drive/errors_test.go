package drive_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/internal/redact/redacttest"
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
		{408, "requestTimeout", five, none, 503},
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

var sentinels = map[string]error{
	"ErrScope": drive.ErrScope, "ErrQuota": drive.ErrQuota, "ErrRateLimited": drive.ErrRateLimited, "ErrConflict": drive.ErrConflict,
	"ErrChecksum": drive.ErrChecksum, "ErrSessionEnded": drive.ErrSessionEnded, "fs.ErrNotExist": fs.ErrNotExist,
}

// The documentation has each error, and TestErrors each reason that has a meaning.
func TestErrorsAreComplete(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	source, documentation, tests := read("errors.go"), read("drive.go"), read("errors_test.go")
	declared := regexp.MustCompile(`(?m)^\t(Err\w+) error = `).FindAllStringSubmatch(source, -1)
	if len(declared) != len(sentinels)-1 {
		t.Errorf("%d errors, and %d here", len(declared), len(sentinels)-1)
	}
	for _, name := range declared {
		var documented int
		row := regexp.MustCompile(name[1] + ` +(\d{3})`).FindStringSubmatch(documentation)
		if row != nil {
			documented, _ = strconv.Atoi(row[1])
		}
		if err := sentinels[name[1]]; err == nil || documented != httpStatus(err) {
			t.Errorf("%s is not here, or documented with the status %d", name[1], documented)
		}
	}
	_, meanings, _ := strings.Cut(source, "func kindOfForbidden")
	meanings, _, _ = strings.Cut(meanings, "\n}")
	for _, reason := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(meanings, -1) {
		if !strings.Contains(tests, fmt.Sprintf("{403, %q, ", reason[1])) {
			t.Errorf("%s is not in TestErrors", reason[1])
		}
	}
}

func checkError(t *testing.T, err error, status int, reason string, is error, httpStatus int) {
	t.Helper()
	for _, sentinel := range sentinels {
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

// What a refusal says to the reader of a log.
func TestErrorTexts(t *testing.T) {
	tests := []struct {
		status       int
		reason, want string
	}{
		{401, "authError", "drive: info: Drive does not accept the access token (401 authError)"},
		{403, "insufficientPermissions", "drive: info: the scope https://www.googleapis.com/auth/drive.appdata is not granted (403 insufficientPermissions)"},
		{403, "dailyLimitExceeded", "drive: info: too many requests (403 dailyLimitExceeded)"},
		{403, "storageQuotaExceeded", "drive: info: no room in the user's Drive (403 storageQuotaExceeded)"},
		{403, "accessNotConfigured", "drive: info: the Drive API is not enabled in the Cloud project (403 accessNotConfigured)"},
		{403, "SERVICE_DISABLED", "drive: info: the Drive API is not enabled in the Cloud project (403 SERVICE_DISABLED)"},
		{403, "domainPolicy", "drive: info: the administrator of the user's domain does not allow Drive apps (403 domainPolicy)"},
		{403, "forbidden", "drive: info: Drive refuses (403 forbidden)"},
		{404, "notFound", "drive: info: no such document (404 notFound)"},
		{409, "fileIdInUse", "drive: info: the document has changed (409 fileIdInUse)"},
		{400, "badRequest", "drive: info: Drive refuses (400 badRequest)"},
		{503, "backendError", "drive: info: Drive has a problem of its own (503 backendError)"},
	}
	for _, tt := range tests {
		srv := newServer(t, drivetest.Options{})
		srv.Inject(drivetest.Fault{Status: tt.status, Reason: tt.reason, Times: -1})
		folder := open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, Retry: drive.Retry{Total: -1}})
		if _, err := folder.Info(t.Context()); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// The *googleapi.Error has Google's words and the header, but no body, cookie or
// session.
func TestGoogleError(t *testing.T) {
	folder, srv := newFolder(t)
	srv.Inject(drivetest.Fault{Status: 404, Reason: "notFound", Header: http.Header{
		"X-Kept": {"yes"}, "Set-Cookie": {"at-secret"}, "Location": {"https://at-secret"}, "X-Guploader-Uploadid": {"at-secret"},
	}})
	_, err := folder.Info(t.Context())
	e, ok := errors.AsType[*googleapi.Error](err)
	if !ok || e.Code != 404 || e.Message == "" || len(e.Errors) != 1 || e.Errors[0].Reason != "notFound" || e.Header.Get("X-Kept") != "yes" {
		t.Fatalf("%+v, want code, message, errors and header", e)
	}
	if text := fmt.Sprintf("%#v", *e); e.Body != "" || strings.Contains(text, "at-secret") {
		t.Errorf("%s, want no body, cookie or session", text)
	}
}

// A test of a user makes an Error by itself.
func TestErrorMadeByHand(t *testing.T) {
	err := fmt.Errorf("putting: %w", &drive.Error{Status: 403, Reason: "storageQuotaExceeded"})
	if !errors.Is(err, drive.ErrQuota) || errors.Is(err, drive.ErrScope) {
		t.Errorf("%v is not ErrQuota alone", err)
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		t.Errorf("%v has the answer %v in it, which there never was", err, e)
	}
	if status := err.(interface{ Unwrap() error }).Unwrap().(*drive.Error).HTTPStatus(); status != 507 {
		t.Errorf("HTTP status %d, want 507", status)
	}
	if errors.Is(&drive.Error{}, drive.ErrQuota) || (&drive.Error{}).Error() == "" {
		t.Error("the zero Error is ErrQuota, or has no text")
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
		"two answers":    `{"id":"1"} {"id":"at-secret"}`,
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

func TestUnreadableLists(t *testing.T) {
	for _, body := range []string{"null", "[]", `{"files":[null]}`, `{"files":[{"name":"a"}]}`, `{"files":{}}`} {
		folder, srv := newFolder(t)
		srv.Inject(drivetest.Fault{Status: http.StatusOK, Body: body})
		if _, err := folder.Stat(t.Context(), "a"); httpStatus(err) != http.StatusBadGateway || len(srv.Requests()) != 1 {
			t.Errorf("%s: %v after %d requests, want a 502 after one", body, err, len(srv.Requests()))
		}
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

// What a token endpoint has answered is in no text, and in nothing that errors.As
// finds.
func TestTokenErrorsHideTheAnswer(t *testing.T) {
	answer := func(status int) *http.Response {
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " at-secret")}
	}
	tests := []struct {
		name string
		err  *oauth2.RetrieveError
		want string
		code string
	}{
		{"body", &oauth2.RetrieveError{Response: answer(503), Body: []byte("at-secret")}, "answers 503", ""},
		{"code", &oauth2.RetrieveError{Response: answer(400), Body: []byte("at-secret"), ErrorCode: "invalid_grant", ErrorDescription: "at-secret"}, "refuses: invalid_grant", "invalid_grant"},
		{"prose for a code", &oauth2.RetrieveError{Response: answer(400), Body: []byte("at-secret"), ErrorCode: "your token at-secret"}, "answers 400", ""},
		{"nothing", &oauth2.RetrieveError{}, "refuses", ""},
		{"body only", &oauth2.RetrieveError{Body: []byte("at-secret")}, "refuses", ""},
	}
	for _, tt := range tests {
		source := tokenSource(func() (*oauth2.Token, error) { return nil, consentError{tt.err} })
		for kind, cfg := range map[string]drive.Config{
			"TokenSource": {TokenSource: source},
			"HTTPClient":  {HTTPClient: &http.Client{Transport: &oauth2.Transport{Source: source}}},
		} {
			t.Run(tt.name+" "+kind, func(t *testing.T) {
				_, err := open(t, cfg).Info(t.Context())
				if !errors.Is(err, errConsent) {
					t.Fatalf("%v, want the cause in the chain", err)
				}
				e, ok := errors.AsType[*oauth2.RetrieveError](err)
				if !ok || e.Body != nil || strings.Contains(e.Error(), "at-secret") {
					t.Fatalf("%#v, want one without the answer", e)
				}
				if tt.code != e.ErrorCode {
					t.Errorf("code %q, want %q", e.ErrorCode, tt.code)
				}
				if text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err); strings.Contains(text, "at-secret") || !strings.Contains(text, tt.want) {
					t.Errorf("%s, want %q and nothing of the answer", text, tt.want)
				}
			})
		}
	}
}

// consentError is as one of a token store might be, its text apart.
type consentError struct{ cause error }

func (consentError) Error() string     { return "needs consent, at-secret" }
func (e consentError) Unwrap() []error { return []error{errConsent, e.cause} }

func TestForms(t *testing.T) {
	const secret = "at-secret"
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: secret})
	configs := map[string]drive.Config{
		"TokenSource": {TokenSource: tokens},
		"HTTPClient":  {HTTPClient: &http.Client{Transport: &oauth2.Transport{Source: tokens}}},
	}
	for field, cfg := range configs {
		form := "drive.Config{" + field + `: [redacted], Endpoint: "", ChunkSize: 0}`
		redacttest.Check(t, cfg, form, secret)
		redacttest.Check(t, &cfg, form, secret)
		folder := open(t, cfg)
		form = "drive.AppFolder{www.googleapis.com}"
		redacttest.Check(t, folder, form, secret)
		redacttest.Check(t, reflect.ValueOf(folder).Elem().Interface(), form, secret)
	}

	kept := `{"url":"https://www.googleapis.com/upload/drive/v3/files?upload_id=at-secret","name":"a.json","file_id":"1","size":-1}`
	var session drive.Upload
	if err := session.UnmarshalBinary([]byte(kept)); err != nil {
		t.Fatal(err)
	}
	redacttest.Check(t, session, `drive.Upload{"a.json": [redacted]}`, secret)
	redacttest.Check(t, &session, `drive.Upload{"a.json": [redacted]}`, secret)
	redacttest.Check(t, drive.Upload{}, "[redacted]")
}

// The generated client logs whole requests and answers where an environment
// variable says so. Not here.
func TestNothingIsLogged(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stderr := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = stderr }()
	folder, _ := newFolder(t)
	put(t, folder, "a.json", "{}")
	if logged, err := os.ReadFile(file.Name()); err != nil || len(logged) > 0 {
		t.Errorf("logged %s, %v", logged, err)
	}
}
