package endpoint_test

import (
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/endpoint"
)

func TestParse(t *testing.T) {
	for raw, good := range map[string]bool{
		"https://example.com/token":    true,
		"HTTPS://example.com":          true,
		"http://localhost:8080":        true,
		"http://LOCALHOST:8080/":       true,
		"http://localhost.:8080/":      true,
		"http://127.0.0.1":             true,
		"http://127.1.2.3:1":           true,
		"http://[::1]:8080/":           true,
		"http://example.com":           false,
		"http://localhost.example.com": false,
		"http://notlocalhost":          false,
		"http://127.0.0.1.example.com": false,
		"http://localhost@example.com": false,
		"http://192.0.2.1":             false,
		"http://0.0.0.0":               false,
		"ftp://localhost":              false,
		"//localhost":                  false,
		"https:///path":                false,
		"localhost:8080":               false,
		"/token":                       false,
		"https://exa mple.com":         false,
		"":                             false,
	} {
		if u, err := endpoint.Parse(raw); (err == nil) != good || (u != nil) != good {
			t.Errorf("%s: %v, %v; want good: %v", raw, u, err, good)
		}
	}
}
