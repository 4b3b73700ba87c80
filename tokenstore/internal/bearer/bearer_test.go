package bearer

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestInsufficientScope(t *testing.T) {
	const drive = "https://www.googleapis.com/auth/drive.appdata"
	tests := map[string]struct {
		challenges []string
		ok         bool
		scopes     []string
	}{
		"none":               {nil, false, nil},
		"empty":              {[]string{""}, false, nil},
		"scheme alone":       {[]string{"Bearer"}, false, nil},
		"another error":      {[]string{`Bearer error="invalid_token"`}, false, nil},
		"another scheme":     {[]string{`Basic realm="insufficient_scope"`}, false, nil},
		"no scopes":          {[]string{`Bearer error="insufficient_scope"`}, true, nil},
		"one":                {[]string{`Bearer realm="x", error="insufficient_scope", scope="` + drive + `"`}, true, []string{drive}},
		"two, scope first":   {[]string{`Bearer scope="openid  ` + drive + `", error="insufficient_scope"`}, true, []string{"openid", drive}},
		"lower case":         {[]string{`bearer error=insufficient_scope, scope="openid"`}, true, []string{"openid"}},
		"the second header":  {[]string{`Basic realm="x"`, `Bearer error="insufficient_scope", scope="openid"`}, true, []string{"openid"}},
		"not closed":         {[]string{`Bearer error="insufficient_scope", scope="openid`}, true, []string{"openid"}},
		"empty scope":        {[]string{`Bearer error="insufficient_scope", scope=""`}, true, nil},
		"cut off":            {[]string{`Bearer error="insufficient_scope", scope=`}, true, nil},
		"control characters": {[]string{"Bearer \x00insufficient_scope\xff, scope=\"\t\n\""}, true, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			scopes, ok := insufficientScope(http.Header{"Www-Authenticate": test.challenges})
			if ok != test.ok || !slices.Equal(scopes, test.scopes) {
				t.Errorf("insufficientScope = %q, %t; want %q, %t", scopes, ok, test.scopes, test.ok)
			}
		})
	}
}

func TestNewHostsRefuses(t *testing.T) {
	for _, name := range []string{
		"", ".", ".googleapis.com", "*.googleapis.com", "https://googleapis.com", "googleapis.com/", "googleapis.com/drive",
		"user@googleapis.com", "googleapis.com?x", "googleapis.com#x", `googleapis.com\x`, "googleapis.com ", "google apis.com",
		"googleapis.com:", "googleapis.com:0", "googleapis.com:65536", "googleapis.com:https", ":443", "[::1", "::1", "[::1]x", "%zz",
		"googleapis.com\x00", "googleapis.com\x7f",
	} {
		if hosts, wrong := NewHosts([]string{"googleapis.com", name}); wrong == "" {
			t.Errorf("NewHosts takes %q as %q", name, hosts)
		}
	}
}

// FuzzHosts checks that a token goes to the hosts on the list only, in whatever
// way a URL is put together.
func FuzzHosts(f *testing.F) {
	hosts, wrong := NewHosts([]string{"googleapis.com", "127.0.0.1:8080", "[::1]"})
	if wrong != "" {
		f.Fatal(wrong)
	}
	for _, host := range []string{
		"googleapis.com", "www.googleapis.com.", "WWW.googleapis.com:443", "127.0.0.1:8080", "[::1]:9000", "",
		"googleapis.com.evil.example", "evilgoogleapis.com", "evil.example#.googleapis.com", "evil.example/.googleapis.com",
		"evil.example?.googleapis.com", `evil.example\.googleapis.com`, "evil.example@googleapis.com", "googleapis.com@evil.example",
		"x.127.0.0.1:8080", "[::1].googleapis.com", "[evil.example].googleapis.com", "[googleapis.com", "googleapis.com:x", ":443", "::",
		"evil.example:443.googleapis.com", "[::1%25.googleapis.com]", "[fe80::1%.googleapis.com]",
	} {
		f.Add("https", host, "")
		f.Add("http", "www.googleapis.com", host)
		f.Add("https", "www.googleapis.com", host)
	}
	f.Fuzz(func(t *testing.T, scheme, host, header string) {
		req := &http.Request{URL: &url.URL{Scheme: scheme, Host: host}, Host: header}
		if hosts.refuse(req) != "" {
			return
		}
		for _, h := range []string{host, header} {
			if h != "" && !onList(h) {
				t.Errorf("a token goes to %s://%q with the Host header %q", scheme, host, header)
			}
		}
		if scheme != "https" && strings.Contains(strings.ToLower(host), "googleapis") {
			t.Errorf("a token goes to %q by %q", host, scheme)
		}
	})
}

// onList looks at what a dialler would make of a host: the text up to the last
// colon that is not inside brackets.
func onList(host string) bool {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	switch {
	case strings.ContainsAny(name, "/\\?#@ \t\r\n"):
		return false
	case name == "127.0.0.1":
		return port == "8080"
	}
	return name == "[::1]" || name == "googleapis.com" || strings.HasSuffix(name, ".googleapis.com")
}
