package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// An entry is a line of the report: what became of a grant.
type entry struct {
	User    string `json:"user"`
	Subject string `json:"subject,omitempty"`
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`
	Token   string `json:"token,omitempty"` // its hash, by which the next run knows the grant
}

func newEntry(g grant) entry {
	e := entry{User: g.user, Subject: g.subject}
	if g.refreshToken != "" {
		e.Token = tokenstore.TokenHash(g.refreshToken)
	}
	return e
}

// because returns e with its outcome.
func (e entry) because(outcome, why string) entry {
	e.Outcome, e.Why = outcome, why
	return e
}

// A report has an entry for each grant that was decided about, also in earlier
// runs. It is a file of JSON lines. Lines are added and never changed; of two
// about one grant the later one counts.
type report struct {
	file    *os.File // nil: a dry run
	entries map[string]entry
}

// openReport reads what earlier runs have decided.
func openReport(path string, dryRun bool) (*report, error) {
	r := &report{entries: make(map[string]entry)}
	if path == "" {
		if dryRun {
			return r, nil
		}
		return nil, errors.New("-report is missing: without it no later run can go on from this one")
	}
	flags := os.O_RDWR | os.O_CREATE | os.O_APPEND
	if dryRun {
		flags = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if dryRun && errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil { // else: the last line of a run that died
			r.entries[e.key()] = e
		}
	}
	if err := lines.Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("-report: %w", err), f.Close())
	}
	if dryRun {
		return r, f.Close()
	}
	r.file = f
	_, err = f.WriteString("\n") // ends that line
	return r, err
}

func (e entry) key() string { return e.User + " " + e.Token }

// has reports whether an earlier run has asked Google about the grant, with a
// result for good. A grant taken then that is gone from the store by now was
// disconnected, and is not taken again.
func (r *report) has(g grant) bool {
	e := r.entries[newEntry(g).key()]
	return e.Outcome == taken || e.Outcome == dead || e.Outcome == waiting
}

func (r *report) add(e entry) error {
	r.entries[e.key()] = e
	if r.file == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// print prints how many grants had which outcome.
func (r *report) print(out io.Writer) {
	counts := map[string]int{}
	for _, e := range r.entries {
		what := e.Outcome
		if e.Why != "" {
			what += ": " + e.Why
		}
		counts[what]++
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "%8d %s\n", counts[what], what)
	}
}
