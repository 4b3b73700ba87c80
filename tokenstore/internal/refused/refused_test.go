package refused_test

import (
	"strconv"
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/refused"
)

func TestReason(t *testing.T) {
	var tokens refused.Tokens
	if reason, ok := tokens.Reason("1//jane", "first"); ok {
		t.Errorf("a token that was not added is refused: %s", reason)
	}
	tokens.Add("1//jane", "first", "invalid_grant")
	tokens.Add("1//jane", "first", "revoked")
	if reason, ok := tokens.Reason("1//jane", "first"); !ok || reason != "invalid_grant" {
		t.Errorf("Reason = %q, %t; want the first one", reason, ok)
	}
	for _, other := range [][2]string{{"1//jane", "second"}, {"1//jan", "first"}, {"", ""}} {
		if _, ok := tokens.Reason(other[0], other[1]); ok {
			t.Errorf("token %q of sign-in %q is refused too", other[0], other[1])
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	const bound = 4096
	var tokens refused.Tokens
	add := func(i int) { tokens.Add(strconv.Itoa(i), "", "revoked") }
	known := func(i int) bool { _, ok := tokens.Reason(strconv.Itoa(i), ""); return ok }
	for i := range bound {
		add(i)
	}
	add(0) // takes no further place
	if !known(0) || !known(bound-1) {
		t.Fatal("a token was forgotten although there was room")
	}
	add(bound)
	if known(0) || !known(1) || !known(bound) {
		t.Errorf("known: first %t, second %t, last %t; want the oldest to have gone", known(0), known(1), known(bound))
	}
}
