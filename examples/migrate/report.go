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

// A report is a file with an entry for each grant that was decided about, as JSON
// lines. Lines are added and never changed; of two about one grant the later one
// counts.
type report struct {
	file    *os.File         // nil: a dry run
	earlier map[string]entry // of earlier runs, by their key
	counts  map[string]int   // of this run, by outcome and why
	failed  int
}

// openReport reads what earlier runs have decided.
func openReport(path string, dryRun bool) (*report, error) {
	r := &report{earlier: make(map[string]entry), counts: make(map[string]int)}
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
			r.earlier[e.key()] = e
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

// decided reports whether an earlier run has asked Google about the grant, with a
// result for good, and counts it. A grant taken then that is gone from the store by
// now was disconnected, and is not taken again.
func (r *report) decided(g grant) bool {
	e := r.earlier[newEntry(g).key()]
	switch e.Outcome {
	case taken, dead, waiting:
		r.count(e)
		return true
	}
	return false
}

func (r *report) add(e entry) error {
	r.count(e)
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

func (r *report) count(e entry) {
	what := e.Outcome
	if e.Why != "" {
		what += ": " + e.Why
	}
	r.counts[what]++
	if e.Outcome == failed {
		r.failed++
	}
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// print prints how many grants had which outcome, those of earlier runs included.
func (r *report) print(out io.Writer) {
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Fprintf(out, "%8d %s\n", r.counts[what], what)
	}
}
