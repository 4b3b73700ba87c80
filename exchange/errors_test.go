package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/seed3a054f9c/googlesignin/exchange"
)

func TestHTTPStatus(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, 200},
		{"any error", errors.New("x"), 500},
		{"a context's", context.Canceled, 500},
		{"ErrInvalidGrant", exchange.ErrInvalidGrant, 400},
		{"ErrRedirectMismatch", exchange.ErrRedirectMismatch, 500},
		{"ErrClient", exchange.ErrClient, 500},
		{"ErrTemporary", exchange.ErrTemporary, 503},
		{"ErrDenied", exchange.ErrDenied, 403},
		{"ErrState", exchange.ErrState, 400},
		{"ErrBadRequest", exchange.ErrBadRequest, 400},
		{"wrapped", fmt.Errorf("sign-in: %w", exchange.ErrDenied), 403},
		{"joined", errors.Join(errors.New("x"), exchange.ErrTemporary), 503},
		{"another package's", fmt.Errorf("x: %w", statusError(http.StatusTeapot)), 418},
		{"a status that is no failure", statusError(200), 500},
		{"a status that is none", statusError(0), 500},
	}
	for _, tt := range tests {
		if got := exchange.HTTPStatus(tt.err); got != tt.want {
			t.Errorf("%s: HTTPStatus = %d, want %d", tt.name, got, tt.want)
		}
	}
}

type statusError int

func (e statusError) Error() string   { return "status" }
func (e statusError) HTTPStatus() int { return int(e) }

// Errors that are made elsewhere.
func TestErrorOfYourOwn(t *testing.T) {
	dead := &exchange.Error{Op: "refresh", Code: "invalid_grant", Status: 400}
	if !errors.Is(dead, exchange.ErrInvalidGrant) || exchange.HTTPStatus(dead) != 400 || dead.Hint() == "" {
		t.Errorf("%v is not ErrInvalidGrant", dead)
	}
	if got, want := dead.Error(), "exchange: refresh: invalid grant: HTTP 400 invalid_grant"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (&exchange.Error{Code: "invalid_grant"}).Error(), "exchange: invalid grant invalid_grant"; got != want {
		t.Errorf("of its Code alone: %q, want %q", got, want)
	}
	zero := new(exchange.Error)
	if !errors.Is(zero, exchange.ErrClient) || zero.Error() == "" || zero.Hint() == "" {
		t.Errorf("the zero Error is %v", zero)
	}
}
