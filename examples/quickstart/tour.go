package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// A tour runs the backend and plays the app, one step after the other.
type tour struct {
	out        io.Writer
	google     *google
	grants     string // path of the store
	sealingKey []byte

	backend *backend
	server  *http.Server
	address string // of the backend, for the app
	steps   int
}

func newTour(out io.Writer, dir string, g *google) *tour {
	key := make([]byte, 32)
	rand.Read(key)
	return &tour{out: out, google: g, grants: filepath.Join(dir, storeName), sealingKey: key}
}

func (t *tour) run(ctx context.Context) error {
	t.step("A backend starts")
	t.say("Google is %s.", t.google.name)
	t.say("The OAuth client is in %s.", filepath.Base(t.google.clientSecretFile))
	if err := t.start(ctx); err != nil {
		return err
	}
	defer func() { t.stop() }() // the one that runs by then

	t.step("The user signs in to the app, which sends its one-time code to the backend")
	code := t.google.code()
	t.say("POST /auth/google with X-Requested-With and a code of %d characters.", len(code))
	user, err := t.signIn(ctx, code)
	if err != nil {
		return err
	}
	t.say("200 OK: %s <%s> is signed in; Google's ID for this user is %s.", user.Name, user.Email, user.Subject)
	t.say("The ID token passed every check. A refresh token came with the code.")

	t.step("The backend stops, and starts again with the same store")
	if err := t.stop(); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	kept, err := t.backend.grants.Grant(ctx, user.Subject)
	if err != nil {
		return err
	}
	t.say("The grant is there, sealed in %s: %s, with the scopes", filepath.Base(t.grants), kept.State)
	for _, scope := range kept.Scopes {
		t.say("  %s", scope)
	}

	t.step("The user is away; the kept refresh token gets a new access token")
	token, err := t.backend.grants.Token(ctx, user.Subject)
	if err != nil {
		return err
	}
	t.say("An access token, good for %s.", time.Until(token.Expiry).Round(time.Minute))

	t.step("The app-data folder of the user's Drive")
	if err := t.useDrive(ctx, user.Subject); err != nil {
		return err
	}

	t.step("The same user signs in a second time")
	if err := t.signInAgain(ctx, user.Subject, kept); err != nil {
		return err
	}

	t.step("The user disconnects")
	if err := t.disconnect(ctx, user.Subject, kept); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, "\nAll of it worked.")
	return err
}

// start brings a backend up on a free port, as its main function would.
func (t *tour) start(ctx context.Context) error {
	b, err := newBackend(ctx, t.google, t.grants, t.sealingKey)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		b.close()
		return err
	}
	t.backend, t.address = b, "http://"+listener.Addr().String()
	t.server = &http.Server{Handler: b.routes(), ReadHeaderTimeout: 10 * time.Second}
	go t.server.Serve(listener)
	t.say("The backend listens at %s.", t.address)
	return nil
}

func (t *tour) stop() error {
	return errors.Join(t.server.Close(), t.backend.close())
}

// signIn is what an iOS or Android app does with its serverAuthCode.
func (t *tour) signIn(ctx context.Context, code string) (signInAnswer, error) {
	form := url.Values{"code": {code}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.address+"/auth/google", strings.NewReader(form.Encode()))
	if err != nil {
		return signInAnswer{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Requested-With", "com.example.app")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return signInAnswer{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		signInAnswer
		Code string `json:"code"` // of a problem: see exchange.ProblemCode
	}
	switch err := json.NewDecoder(resp.Body).Decode(&answer); {
	case err != nil:
		return signInAnswer{}, errors.New("the backend's answer is not JSON")
	case answer.Code == "consent_required":
		return signInAnswer{}, errors.New("no refresh token came with the code and none is kept: get a code with a forced consent screen")
	case resp.StatusCode != http.StatusOK:
		return signInAnswer{}, fmt.Errorf("the backend answered the code with %s: %s", resp.Status, answer.Code)
	}
	return answer.signInAnswer, nil
}

// useDrive writes, lists, reads and deletes one document.
func (t *tour) useDrive(ctx context.Context, subject string) error {
	type settings struct{ Theme, Language string }
	const name = "googlesignin-quickstart.json" // not a name that an app would use

	folder, err := t.backend.folder(subject)
	if err != nil {
		return err
	}
	info, err := folder.Info(ctx)
	if err != nil {
		return err
	}
	t.say("Info: it is called %q.", info.Name)
	wrote := settings{Theme: "dark", Language: "en"}
	if _, err := drive.WriteJSON(ctx, folder, name, wrote, drive.PutOptions{}); err != nil {
		return err
	}
	t.say("WriteJSON: %s holds %+v.", name, wrote)
	for file, err := range folder.Files(ctx, drive.Query{}) {
		if err != nil {
			return err
		}
		t.say("Files: %s, %d bytes of %s.", file.Name, file.Size, file.ContentType)
	}
	read, _, err := drive.ReadJSON[settings](ctx, folder, name)
	if err != nil {
		return err
	}
	if read != wrote {
		return fmt.Errorf("read %+v from the folder, wrote %+v", read, wrote)
	}
	t.say("ReadJSON: the same comes back, its checksum verified.")
	if err := folder.Delete(ctx, name); err != nil {
		return err
	}
	t.say("Delete: it is gone.")
	return nil
}

// signInAgain shows that an answer without a refresh token leaves the kept one
// alone.
func (t *tour) signInAgain(ctx context.Context, subject string, kept tokenstore.Grant) error {
	if !t.google.fake {
		t.say("Left out: it takes a second code.")
		return nil
	}
	again, err := t.signIn(ctx, t.google.code())
	if err != nil {
		return err
	}
	now, err := t.backend.grants.Grant(ctx, subject)
	if err != nil {
		return err
	}
	if again.NewRefreshToken || now.RefreshToken != kept.RefreshToken {
		return errors.New("the second sign-in replaced the kept refresh token")
	}
	t.say("200 OK, without a consent screen and so without a refresh token.")
	t.say("The kept one is still there.")
	return nil
}

// disconnect ends the grant at Google and here, and checks both. Google itself
// may take a while until a revoked token is refused, so only the fake is asked.
func (t *tour) disconnect(ctx context.Context, subject string, kept tokenstore.Grant) error {
	if err := t.backend.grants.Disconnect(ctx, subject); err != nil {
		return err
	}
	t.say("Google has revoked the refresh token.")
	if t.google.fake {
		if _, err := t.backend.client.Refresh(ctx, kept.RefreshToken); !errors.Is(err, exchange.ErrInvalidGrant) {
			return fmt.Errorf("the refresh token should be refused by now: %v", err)
		}
		t.say("It is refused from now on.")
	}
	if _, err := t.backend.grants.Grant(ctx, subject); !errors.Is(err, tokenstore.ErrNotFound) {
		return fmt.Errorf("the grant should be gone by now: %v", err)
	}
	t.say("The store has forgotten it.")
	return nil
}

func (t *tour) step(what string) {
	t.steps++
	fmt.Fprintf(t.out, "\n%d. %s\n", t.steps, what)
}

func (t *tour) say(format string, args ...any) {
	fmt.Fprintf(t.out, "   "+format+"\n", args...)
}
