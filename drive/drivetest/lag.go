package drivetest

import (
	"maps"
	"slices"
	"time"
)

// A Lag is how far the answers of files.list are behind the files, by the
// server's clock. The zero value is a Drive without lag. files.get is never
// behind.
//
// Only a search by name, a q with a condition on the name, misses that a file was
// created, renamed or deleted; all other lists, those by parent among them, show
// these changes at once (public reports about Drive in general, such as
// https://github.com/kopia/kopia/issues/90).
type Lag struct {
	// Create is how long a search by name does not find a new file.
	Create time.Duration

	// Rename is how long a search by name finds a renamed file by its old name,
	// shows it with that, and does not find it by its new one.
	Rename time.Duration

	// Delete is how long a search by name finds a deleted file.
	Delete time.Duration

	// Update is how long every list shows a changed file as it was before, except
	// for its name (https://github.com/googleapis/google-api-go-client/issues/906).
	Update time.Duration

	// Twice makes every list name each file two times: one directly after the other
	// if the list is in order, and else after all the others
	// (https://github.com/tidyverse/googledrive/issues/288).
	Twice bool
}

// longest returns the time after which every list shows a change.
func (l Lag) longest() time.Duration { return max(l.Create, l.Rename, l.Delete, l.Update) }

// A change of a file is kept for as long as a list may be behind it.
type change struct {
	at            time.Time
	before, after *stored // nil before the file was created or after it was deleted
}

func (c *change) id() string {
	if c.before != nil {
		return c.before.id
	}
	return c.after.id
}

// remember keeps a change that the request made. The caller holds srv.mu.
func (c *call) remember(before, after *stored, now time.Time) {
	lag := c.srv.opts.Lag.longest()
	if lag <= 0 {
		return
	}
	seen := func(old change) bool { return now.Sub(old.at) >= lag }
	c.user.changes = append(slices.DeleteFunc(c.user.changes, seen), change{now, before, after})
}

// listable returns the files by their IDs, as a list shows them now. The caller
// holds srv.mu.
func (c *call) listable(byName bool, now time.Time) map[string]*stored {
	if len(c.user.changes) == 0 {
		return c.user.files
	}
	lag := c.srv.opts.Lag
	if !byName {
		lag.Create, lag.Rename, lag.Delete = 0, 0, 0
	}
	files := maps.Clone(c.user.files)
	for _, change := range slices.Backward(c.user.changes) {
		change.undo(files, lag, now.Sub(change.at))
	}
	return files
}

// undo reverses a change of some age in files, as far as lists are behind it. Later
// changes have been undone before.
func (c *change) undo(files map[string]*stored, lag Lag, age time.Duration) {
	file, listed := files[c.id()]
	switch {
	case c.before == nil:
		if age < lag.Create {
			delete(files, c.id())
		}
	case c.after == nil:
		if age < lag.Delete {
			files[c.id()] = c.before
		}
	case listed:
		shown := *file
		if age < lag.Update {
			shown = *c.before
			shown.name = file.name
		}
		if age < lag.Rename {
			shown.name = c.before.name
		}
		files[c.id()] = &shown
	}
}
