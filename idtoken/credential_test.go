package idtoken_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

func TestCredentialFromRequest(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	ok := url.Values{"credential": {"a.b.c"}, "g_csrf_token": {"t0k"}, "select_by": {"btn"}}
	with := func(change func(url.Values)) string {
		v := url.Values{}
		for name, values := range ok {
			v[name] = values
		}
		change(v)
		return v.Encode()
	}
	for _, tc := range []struct {
		name    string
		method  string
		query   string
		content string
		cookies []string
		body    string
		status  int // 0: accepted
	}{
		{"as Google's button posts", "POST", "", form, []string{"t0k"}, ok.Encode(), 0},
		{"with a charset", "POST", "", form + "; charset=UTF-8", []string{"t0k"}, ok.Encode(), 0},
		{"to a page with a semicolon", "POST", "?next=/a;b", form, []string{"t0k"}, ok.Encode(), 0},
		{"to a page with half an escape", "POST", "?x=%E4%zz", form, []string{"t0k"}, ok.Encode(), 0},
		{"to a page with fields of its own", "POST", "?credential=d.e.f&g_csrf_token=x", form, []string{"t0k"}, ok.Encode(), 0},
		{"GET", "GET", "?" + ok.Encode(), form, []string{"t0k"}, "", 405},
		{"PUT", "PUT", "", form, []string{"t0k"}, ok.Encode(), 405},
		{"JSON", "POST", "", "application/json", []string{"t0k"}, `{"credential":"a.b.c"}`, 415},
		{"multipart", "POST", "", "multipart/form-data; boundary=x", []string{"t0k"}, ok.Encode(), 415},
		{"no content type", "POST", "", "", []string{"t0k"}, ok.Encode(), 415},
		{"as long as may be", "POST", "", form, []string{"t0k"}, ok.Encode() + "&x=" + strings.Repeat("x", 32<<10-len(ok.Encode()+"&x=")), 0},
		{"too long", "POST", "", form, []string{"t0k"}, ok.Encode() + "&x=" + strings.Repeat("x", 32<<10), 413},
		{"1 MB", "POST", "", form, []string{"t0k"}, "credential=" + strings.Repeat("x", 1<<20), 413},
		{"not a form", "POST", "", form, []string{"t0k"}, "%zz", 400},
		{"no credential", "POST", "", form, []string{"t0k"}, with(func(v url.Values) { v.Del("credential") }), 400},
		{"empty credential", "POST", "", form, []string{"t0k"}, with(func(v url.Values) { v.Set("credential", "") }), 400},
		{"two credentials", "POST", "", form, []string{"t0k"}, ok.Encode() + "&credential=d.e.f", 400},
		{"credential in the query", "POST", "?credential=a.b.c", form, []string{"t0k"}, with(func(v url.Values) { v.Del("credential") }), 400},
		{"no cookie", "POST", "", form, nil, ok.Encode(), 403},
		{"another cookie", "POST", "", form, []string{"other"}, ok.Encode(), 403},
		{"cookie in capitals", "POST", "", form, []string{"T0K"}, ok.Encode(), 403},
		{"two cookies", "POST", "", form, []string{"t0k", "other"}, ok.Encode(), 403},
		{"empty cookie and field", "POST", "", form, []string{""}, with(func(v url.Values) { v.Set("g_csrf_token", "") }), 403},
		{"no field", "POST", "", form, []string{"t0k"}, with(func(v url.Values) { v.Del("g_csrf_token") }), 403},
		{"two fields", "POST", "", form, []string{"t0k"}, ok.Encode() + "&g_csrf_token=other", 403},
		{"field in the query", "POST", "?g_csrf_token=t0k", form, []string{"t0k"}, with(func(v url.Values) { v.Del("g_csrf_token") }), 403},
		{"neither", "POST", "", form, nil, with(func(v url.Values) { v.Del("g_csrf_token") }), 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "/login"+tc.query, strings.NewReader(tc.body))
			if tc.content != "" {
				r.Header.Set("Content-Type", tc.content)
			}
			for _, value := range tc.cookies {
				r.AddCookie(&http.Cookie{Name: "g_csrf_token", Value: value})
			}
			token, err := idtoken.CredentialFromRequest(httptest.NewRecorder(), r)
			if tc.status == 0 {
				if token != "a.b.c" || err != nil {
					t.Errorf("got %q, %v; want a.b.c", token, err)
				}
				return
			}
			e, ok := errors.AsType[statusError](err)
			if !ok || e.HTTPStatus() != tc.status || token != "" {
				t.Errorf("got %q, %v; want status %d", token, err, tc.status)
			}
		})
	}
}

// TestCredentialFromRequestLeavesForm pins that others can read the form before
// and after.
func TestCredentialFromRequestLeavesForm(t *testing.T) {
	for name, before := range map[string]func(*http.Request){
		"first":  func(*http.Request) {},
		"second": func(r *http.Request) { r.FormValue("select_by") },
	} {
		r := httptest.NewRequest("POST", "/login?next=/a&select_by=x", strings.NewReader("credential=a.b.c&g_csrf_token=t0k&select_by=btn"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "g_csrf_token", Value: "t0k"})
		before(r)
		if token, err := idtoken.CredentialFromRequest(httptest.NewRecorder(), r); token != "a.b.c" || err != nil {
			t.Errorf("%s: got %q, %v", name, token, err)
		}
		if by, next := r.PostForm.Get("select_by"), r.FormValue("next"); by != "btn" || next != "/a" || r.FormValue("select_by") != "btn" {
			t.Errorf("%s: the form has select_by %q, next %q", name, by, next)
		}
	}
}

// http.NewRequest leaves the body nil, and a test of a user may pass that on.
func TestCredentialFromRequestWithoutBody(t *testing.T) {
	r := httptest.NewRequest("POST", "/login", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = nil
	_, err := idtoken.CredentialFromRequest(httptest.NewRecorder(), r)
	if e, ok := errors.AsType[statusError](err); !ok || e.HTTPStatus() != 400 {
		t.Errorf("error %v, want one with status 400", err)
	}
}
