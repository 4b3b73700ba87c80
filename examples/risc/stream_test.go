package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
	"github.com/seed3a054f9c/googlesignin/idtoken/risc/risctest"
)

// TestRegister goes from the registration to the event that shows that Google
// reaches the backend, and switches the stream off.
func TestRegister(t *testing.T) {
	w, _, _, _ := signedIn(t)
	google := risctest.NewServer(risctest.Options{Issuer: w.google.Issuer(), Audience: w.google.ClientID(), Receiver: w.backend.routes()})
	defer google.Close()
	var err error
	if w.backend.stream, err = risc.NewStream(google.Config()); err != nil {
		t.Fatal(err)
	}
	s := w.backend.stream
	if err := manage(t.Context(), io.Discard, s, "show"); !errors.Is(err, risc.ErrNoStream) || !strings.Contains(err.Error(), "register") {
		t.Errorf("show before: %v", err)
	}
	var out strings.Builder
	if err := register(t.Context(), &out, s, "https://api.example.com/google/events"); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"off", "show", "on", "show"} {
		if err := manage(t.Context(), &out, s, action); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
	var events strings.Builder
	for _, uri := range risc.EventTypes() {
		events.WriteString("  " + uri + "\n")
	}
	want := "Google's events arrive at https://api.example.com/google/events\n" +
		"https://api.example.com/google/events: disabled\n" + events.String() +
		"https://api.example.com/google/events: enabled\n" + events.String()
	if out.String() != want {
		t.Errorf("it says\n%s, want\n%s", &out, want)
	}
	if err := manage(t.Context(), io.Discard, s, "perhaps"); err == nil {
		t.Error("an unknown action: no error")
	}
}
