// Package routers shows how the handlers of package exchange are mounted in the
// web libraries that Go backends use: as they are.
package routers

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/labstack/echo/v4"

	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/exchange/exchangetest"
)

// A mounter makes a server with handler at /auth/google, and at /auth/own a
// handler of the library's own kind that calls readCode.
type mounter func(handler http.Handler, readCode codeReader) http.Handler

type codeReader func(http.ResponseWriter, *http.Request) (string, error)

// plain is the own handler where that is an http.HandlerFunc.
func plain(readCode codeReader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, err := readCode(w, r)
		if err != nil {
			exchange.WriteProblem(w, r, err)
			return
		}
		w.Write([]byte(code))
	}
}

var mounters = map[string]mounter{
	"ServeMux": func(handler http.Handler, readCode codeReader) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("POST /auth/google", handler)
		mux.HandleFunc("POST /auth/own", plain(readCode))
		return mux
	},
	"chi": func(handler http.Handler, readCode codeReader) http.Handler {
		r := chi.NewRouter()
		r.Method(http.MethodPost, "/auth/google", handler)
		r.Post("/auth/own", plain(readCode))
		return r
	},
	"gin": func(handler http.Handler, readCode codeReader) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		r := gin.New()
		r.HandleMethodNotAllowed = true
		r.POST("/auth/google", gin.WrapH(handler))
		r.POST("/auth/own", func(c *gin.Context) {
			code, err := readCode(c.Writer, c.Request)
			if err != nil {
				c.String(exchange.HTTPStatus(err), "no code")
				return
			}
			c.String(http.StatusOK, code)
		})
		return r
	},
	"fiber": func(handler http.Handler, readCode codeReader) http.Handler {
		app := fiber.New()
		app.Post("/auth/google", adaptor.HTTPHandler(handler))
		app.Post("/auth/own", adaptor.HTTPHandler(plain(readCode)))
		return adaptor.FiberApp(app)
	},
	"echo": func(handler http.Handler, readCode codeReader) http.Handler {
		e := echo.New()
		e.POST("/auth/google", echo.WrapHandler(handler))
		e.POST("/auth/own", func(c echo.Context) error {
			code, err := readCode(c.Response(), c.Request())
			if err != nil {
				return echo.NewHTTPError(exchange.HTTPStatus(err), "no code").SetInternal(err)
			}
			return c.String(http.StatusOK, code)
		})
		return e
	},
}

// sent is a request as an app sends it, with one change.
func sent(path, code string, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(url.Values{"code": {code}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Requested-With", "MyApp")
	if change != nil {
		change(r)
	}
	return r
}

func TestMounted(t *testing.T) {
	google := exchangetest.NewServer(exchangetest.Options{})
	t.Cleanup(google.Close)
	client, err := exchange.New(exchange.Config{
		ClientID: google.ClientID(), ClientSecret: google.ClientSecret(),
		Endpoint: google.Endpoint(), HTTPClient: google.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	signedIn := func(w http.ResponseWriter, r *http.Request, tok *exchange.Tokens) {
		if tok.AccessToken == "" || tok.IDToken == "" {
			t.Error("tokens are missing")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{"ok":true}`))
	}
	tests := []struct {
		name   string
		path   string
		code   string // empty: a good one
		change func(*http.Request)
		status int
		body   string // empty: any
	}{
		{"signed in", "/auth/google", "", nil, 201, `{"ok":true}`},
		{"used code", "/auth/google", "4/0Aused", nil, 400, "Bad Request\n"},
		{"encoded twice", "/auth/google", "4%2F0A", nil, 400, "Bad Request\n"},
		{"GET", "/auth/google", "", func(r *http.Request) { r.Method = "GET" }, 405, ""},
		{"no header", "/auth/google", "", func(r *http.Request) { r.Header.Del("X-Requested-With") }, 403, "Forbidden\n"},
		{"other site", "/auth/google", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "Forbidden\n"},
		{"wrong type", "/auth/google", "", func(r *http.Request) { r.Header.Set("Content-Type", "text/html") }, 415, "Unsupported Media Type\n"},
		{"too large", "/auth/google", strings.Repeat("x", 1<<20), nil, 413, "Request Entity Too Large\n"},
		{"own handler", "/auth/own", "4/0Aown", nil, 200, "4/0Aown"},
		{"own handler, no header", "/auth/own", "4/0Aown", func(r *http.Request) { r.Header.Del("X-Requested-With") }, 403, ""},
		{"own handler, too large", "/auth/own", strings.Repeat("x", 1<<20), nil, 413, ""},
	}
	for name, mount := range mounters {
		app := mount(client.Handler(exchange.App, signedIn), client.ReadCode)
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				if tt.code == "" {
					tt.code = google.AppCode(exchangetest.CodeRequest{})
				}
				w := httptest.NewRecorder()
				app.ServeHTTP(w, sent(tt.path, tt.code, tt.change))
				if w.Code != tt.status || tt.body != "" && w.Body.String() != tt.body {
					t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
				}
			})
		}
	}
}
