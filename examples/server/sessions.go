package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken"
)

const (
	sessionTime = 14 * 24 * time.Hour
	// clockSkew is how far Google's clock and ours may be apart.
	clockSkew = time.Minute
)

// schema is for SQLite and PostgreSQL. In a larger program it is among the migrations.
// Times are Unix seconds. deletion is empty, or the ID of the deletion that goes on.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS app_users (
		subject TEXT PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL,
		locked BOOLEAN NOT NULL, locked_at BIGINT NOT NULL, deletion TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS app_sessions (
		id_hash TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES app_users, opened BIGINT NOT NULL, ends BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS app_sessions_subject ON app_sessions (subject)`,
}

// A database has the application's users and their sessions. Of a session's ID it has
// the hash: who reads the table cannot use it.
type database struct {
	*sql.DB
	now   func() time.Time
	https bool
}

// A user has signed in at least once.
type user struct {
	Subject, Email, Name string
	Deleting             bool // has asked to be deleted, which goes on
}

// Initial is shown in place of a picture.
func (u user) Initial() string {
	for _, letter := range strings.ToUpper(cmp.Or(u.Name, u.Email)) {
		return string(letter)
	}
	return ""
}

var (
	errSignedOut = &refusal{"nobody is signed in", http.StatusUnauthorized, "not_signed_in"}
	errLocked    = &refusal{"Google has disabled the account", http.StatusForbidden, "locked"}
	errDeleting  = &refusal{"the user is being deleted", http.StatusConflict, "deleting"}
)

func (d *database) create(ctx context.Context) error {
	for _, statement := range schema {
		if err := d.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// A session begins when a browser or an app signs in.
type session struct {
	ID   string
	Ends time.Time
}

// startSession saves the name and the address of a user, and starts a session. It always
// has a new ID: an attacker may know the ID that the browser had. The session that the
// request belongs to ends.
//
// For a user who is being deleted it starts none, and gives the deletion a new ID: it may
// be past the step that ends the access, and has to do that step again.
func (d *database) startSession(ctx context.Context, r *http.Request, p *idtoken.Profile) (session, error) {
	now := d.now()
	s := session{rand.Text(), now.Add(sessionTime)}
	var refused error
	err := d.inTransaction(ctx, func(tx *sql.Tx) error {
		var locked bool
		var deletion string
		err := tx.QueryRowContext(ctx, `INSERT INTO app_users (subject, email, name, locked, locked_at, deletion)
			VALUES ($1, $2, $3, FALSE, 0, '')
			ON CONFLICT (subject) DO UPDATE SET email = excluded.email, name = excluded.name,
				deletion = CASE WHEN app_users.deletion = '' THEN '' ELSE $4 END
			RETURNING locked, deletion`, p.Subject, p.Email, p.Name, rand.Text()).Scan(&locked, &deletion)
		switch {
		case err != nil:
			return err
		case deletion != "":
			refused = errDeleting
			return nil
		case locked:
			return errLocked
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM app_sessions WHERE id_hash = $1`, hash(d.sessionID(r))); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO app_sessions (id_hash, subject, opened, ends) VALUES ($1, $2, $3, $4)`,
			hash(s.ID), p.Subject, now.Unix(), s.Ends.Unix())
		return err
	})
	return s, cmp.Or(err, refused)
}

// inTransaction commits the statements of do if it returns no error.
func (d *database) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// userOf returns the user of the session that a request belongs to, or errSignedOut.
func (d *database) userOf(ctx context.Context, r *http.Request) (u user, err error) {
	id := d.sessionID(r)
	if id == "" {
		return user{}, errSignedOut
	}
	err = d.QueryRowContext(ctx, `SELECT u.subject, u.email, u.name, u.deletion <> ''
		FROM app_sessions s JOIN app_users u ON u.subject = s.subject WHERE s.id_hash = $1 AND s.ends > $2`,
		hash(id), d.now().Unix()).Scan(&u.Subject, &u.Email, &u.Name, &u.Deleting)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, errSignedOut
	}
	return u, err
}

func (d *database) exec(ctx context.Context, query string, args ...any) error {
	_, err := d.ExecContext(ctx, query, args...)
	return err
}

func (d *database) endSession(ctx context.Context, r *http.Request) error {
	return d.exec(ctx, `DELETE FROM app_sessions WHERE id_hash = $1`, hash(d.sessionID(r)))
}

// endSessions ends those of a user that were open at that time, by Google's clock.
func (d *database) endSessions(ctx context.Context, subject string, at time.Time) error {
	return d.exec(ctx, `DELETE FROM app_sessions WHERE subject = $1 AND opened < $2`, subject, at.Add(clockSkew).Unix())
}

func (d *database) deleteExpired(ctx context.Context) error {
	return d.exec(ctx, `DELETE FROM app_sessions WHERE ends <= $1`, d.now().Unix())
}

// lock keeps a user from signing in, or no longer does, unless a later event has said
// something else.
func (d *database) lock(ctx context.Context, subject string, locked bool, at time.Time) error {
	return d.exec(ctx, `UPDATE app_users SET locked = $2, locked_at = $3 WHERE subject = $1 AND locked_at <= $3`,
		subject, locked, at.Unix())
}

// markDeleting notes that a user has to be deleted, so that it goes on if the process
// ends in the middle.
func (d *database) markDeleting(ctx context.Context, subject string) error {
	return d.exec(ctx, `UPDATE app_users SET deletion = $2 WHERE subject = $1 AND deletion = ''`, subject, rand.Text())
}

// deletionOf returns the ID of a user's deletion. It is empty if none goes on, and also if
// the user is deleted.
func (d *database) deletionOf(ctx context.Context, subject string) (id string, err error) {
	err = d.QueryRowContext(ctx, `SELECT deletion FROM app_users WHERE subject = $1`, subject).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// deleting returns the users who have to be deleted.
func (d *database) deleting(ctx context.Context) (subjects []string, err error) {
	rows, err := d.QueryContext(ctx, `SELECT subject FROM app_users WHERE deletion <> ''`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var subject string
		if err := rows.Scan(&subject); err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	return subjects, rows.Err()
}

// deleteUser deletes a user's rows in one step, or none if the deletion does not have that
// ID any more: a sign-in comes before or after, and is not lost.
func (d *database) deleteUser(ctx context.Context, subject, deletion string) error {
	return d.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM app_sessions WHERE subject = $1`, subject); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM app_users WHERE subject = $1 AND deletion = $2`, subject, deletion)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = errDeleting
		}
		return err
	})
}

func hash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// sessionID returns the ID that an app sends in a header, or a browser in a cookie.
func (d *database) sessionID(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	if c, err := r.Cookie(d.cookieName("session")); err == nil {
		return c.Value
	}
	return ""
}

// cookieName returns a name that other hosts of the domain cannot set. Some browsers
// refuse it without https.
func (d *database) cookieName(name string) string {
	if d.https {
		return "__Host-" + name
	}
	return name
}

// setCookie sets a cookie; without a value, it removes it.
func (d *database) setCookie(w http.ResponseWriter, name, value string, lives time.Duration) {
	if value == "" {
		lives = -time.Second
	}
	http.SetCookie(w, &http.Cookie{
		Name: d.cookieName(name), Value: value, Path: "/", MaxAge: int(lives / time.Second),
		Secure: d.https, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
