package scope_test

import (
	"slices"
	"testing"

	"github.com/seed3a054f9c/googlesignin/internal/scope"
)

const (
	email   = "https://www.googleapis.com/auth/userinfo.email"
	profile = "https://www.googleapis.com/auth/userinfo.profile"
	appdata = "https://www.googleapis.com/auth/drive.appdata"
	old     = "https://www.googleapis.com/auth/drive.appfolder"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"none", "", []string{}},
		{"aliases", "profile openid email", []string{email, profile, "openid"}},
		{"alias and its URL", "email " + email, []string{email}},
		{"two names of one scope", old + " " + appdata, []string{appdata}},
		{"odd spaces", "  openid   " + appdata + " ", []string{appdata, "openid"}},
		{"names are case-sensitive", "Email openid", []string{"Email", "openid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := scope.Parse(tt.in)
			if !slices.Equal(got, tt.want) || got == nil {
				t.Errorf("Parse(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	tests := []struct {
		name          string
		granted, want []string
		missing       []string
	}{
		{"all there", []string{email, "openid"}, []string{"openid", "email"}, nil},
		{"granted under its alias", []string{"email"}, []string{email}, nil},
		{"granted under its second name", []string{old}, []string{appdata}, nil},
		{"some not", []string{"openid"}, []string{"email", "openid", appdata}, []string{"email", appdata}},
		{"nothing granted", nil, []string{"email"}, []string{"email"}},
		{"nothing wanted", []string{"openid"}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := scope.Missing(tt.granted, tt.want); !slices.Equal(got, tt.missing) {
				t.Errorf("Missing = %q, want %q", got, tt.missing)
			}
		})
	}
}
