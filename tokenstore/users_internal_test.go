package tokenstore

import (
	"context"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

type noRefresher struct{}

func (noRefresher) Refresh(context.Context, string) (*oauth2.Token, error) { return nil, nil }

// A refresh of an older grant does not pass one of a newer grant off as current.
func TestRefreshNotesItsOwnGeneration(t *testing.T) {
	m, err := New(Config{ClientID: "client", Store: new(Memory), Refresher: noRefresher{}})
	if err != nil {
		t.Fatal(err)
	}
	u := m.users.acquire("jane")
	defer m.release(u)
	old, _ := u.joinRefresh()
	m.forget(u)
	next, _ := u.joinRefresh()
	m.forget(u)
	_, _ = m.attempt(t.Context(), u, old)
	if old.generation != 2 || next.generation != 1 {
		t.Errorf("generations %d and %d, want 2 and 1", old.generation, next.generation)
	}
}

// What a user's entry needs only while somebody works on it goes with the last
// reference.
func TestIdleUserHasNoActivity(t *testing.T) {
	m, err := New(Config{ClientID: "client", Store: new(Memory), Refresher: noRefresher{}})
	if err != nil {
		t.Fatal(err)
	}
	tok := &oauth2.Token{AccessToken: "ya29.access", RefreshToken: "1//refresh", Expiry: time.Now().Add(time.Hour)}
	if _, err := m.SignIn(t.Context(), "jane", tok); err != nil {
		t.Fatal(err)
	}
	if u := m.users.get("jane"); u == nil || u.activity != nil || u.refs != 0 {
		t.Errorf("the entry is %+v", u)
	}
}
