package drivetest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
)

// An answer is a response that is not sent yet, so that a fault can drop it or cut
// it short.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func newAnswer(status int) *answer {
	return &answer{status: status, header: http.Header{}}
}

// with returns a copy of the answer with more headers. A session keeps the answer
// itself.
func (a *answer) with(header http.Header) *answer {
	changed := *a
	changed.header = a.header.Clone()
	maps.Copy(changed.header, header)
	return &changed
}

func jsonAnswer(status int, v any, pretty bool) *answer {
	a := newAnswer(status)
	a.header.Set("Content-Type", "application/json; charset=UTF-8")
	a.header.Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if pretty {
		enc.SetIndent("", " ")
	}
	enc.Encode(v)
	a.body = body.Bytes()
	return a
}

// An apiError is an error in Google's form
// (https://developers.google.com/workspace/drive/api/guides/handle-errors).
type apiError struct {
	status       int
	reason       string
	message      string
	location     string // "fields", "Authorization", …; may be empty
	locationType string // "parameter" or "header"
	rpcStatus    string // error.status of the newer form; may be empty
	info         string // reason of a google.rpc.ErrorInfo; may be empty
	authenticate string // the error code of WWW-Authenticate; may be empty
}

func fail(status int, reason, message string) *apiError {
	return &apiError{status: status, reason: reason, message: message}
}

// invalid is the error about the value of a query parameter.
func invalid(parameter, message string) *apiError {
	return &apiError{status: 400, reason: "invalid", message: message, location: parameter, locationType: "parameter"}
}

func notFound(id string) *apiError {
	return &apiError{status: 404, reason: "notFound", message: "File not found: " + id + ".", location: "fileId", locationType: "parameter"}
}

func notSupported() *apiError {
	return fail(403, "notSupportedForAppDataFolderFiles", "Method not supported for files within the Application Data folder.")
}

func wrongSpace() *apiError {
	return &apiError{status: 403, reason: "insufficientScopes", location: "spaces", locationType: "parameter",
		message: "The granted scopes do not give access to all of the requested spaces."}
}

func notImplemented(what string) *apiError {
	return fail(501, "notImplemented", "drivetest does not have "+what+".")
}

type errorItem struct {
	Message      string `json:"message"`
	Domain       string `json:"domain"`
	Reason       string `json:"reason"`
	Location     string `json:"location,omitempty"`
	LocationType string `json:"locationType,omitempty"`
}

type errorInfo struct {
	Type     string            `json:"@type"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata"`
}

type errorBody struct {
	Error struct {
		Code    int         `json:"code"`
		Message string      `json:"message"`
		Errors  []errorItem `json:"errors"`
		Status  string      `json:"status,omitempty"`
		Details []errorInfo `json:"details,omitempty"`
	} `json:"error"`
}

func (e *apiError) answer() *answer {
	var body errorBody
	body.Error.Code = e.status
	body.Error.Message = e.message
	body.Error.Errors = []errorItem{{e.message, domainOf(e.reason), e.reason, e.location, e.locationType}}
	body.Error.Status = e.rpcStatus
	if e.info != "" {
		body.Error.Details = []errorInfo{{
			Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: e.info, Domain: "googleapis.com",
			Metadata: map[string]string{"service": "drive.googleapis.com"},
		}}
	}
	a := jsonAnswer(e.status, body, true)
	if e.authenticate != "" {
		a.header.Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="`+e.authenticate+`"`)
	}
	return a
}

// domainOf returns the domain of a reason. The reasons about limits have their own.
func domainOf(reason string) string {
	if strings.HasSuffix(reason, "LimitExceeded") || strings.HasSuffix(reason, "QuotaExceeded") || reason == "accessNotConfigured" {
		return "usageLimits"
	}
	return "global"
}
