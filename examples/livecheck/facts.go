package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// A Fact is one behaviour, and how it was seen. Neither has a code, token, secret,
// address or ID in it.
type Fact struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Varies bool   `json:"varies,omitempty"` // from run to run

	row string // how its row in docs/google.md begins
}

// A StepRecord is what one step has seen.
type StepRecord struct {
	Step   string `json:"step"`
	Facts  []Fact `json:"facts"`
	Failed string `json:"failed,omitempty"` // why it ended before its end
}

// fact returns the fact of a name, or nil.
func (s *StepRecord) fact(name string) *Fact {
	i := slices.IndexFunc(s.Facts, func(f Fact) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Facts[i]
}

// format is the version of a Recording's form.
const format = 1

// A Recording is what a run has seen. It can be attached to a report, and the tests
// compare each one in testdata/recordings with the fakes.
type Recording struct {
	Format  int          `json:"livecheck"`
	Of      string       `json:"of"` // Google, or the fakes
	Date    string       `json:"date"`
	Version string       `json:"version"` // of the library
	Project Project      `json:"project"`
	Steps   []StepRecord `json:"steps"`
}

// A Project is what the person says about the Cloud project, for the fakes to be set
// up alike.
type Project struct {
	Testing    bool `json:"testing"`    // its publishing status is Testing
	AuthClaims bool `json:"authClaims"` // it has auth_time and amr switched on
}

func (r *Recording) step(name string) *StepRecord {
	i := slices.IndexFunc(r.Steps, func(s StepRecord) bool { return s.Step == name })
	if i < 0 {
		return nil
	}
	return &r.Steps[i]
}

func (r *Recording) facts() (n int) {
	for _, s := range r.Steps {
		n += len(s.Facts)
	}
	return n
}

// write writes r as JSON into a file that is not there yet.
func (r *Recording) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.Write(append(b, '\n')); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// readRecording reads what write has written, and nothing else.
func readRecording(r io.Reader) (*Recording, error) {
	var rec Recording
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&rec); err != nil {
		return nil, err
	}
	if rec.Format != format {
		return nil, fmt.Errorf("the form of the recording is %d, not %d", rec.Format, format)
	}
	for _, s := range rec.Steps {
		for _, f := range s.Facts {
			if s.Step == "" || f.Name == "" || f.Value == "" {
				return nil, fmt.Errorf("step %q: a fact without a name or a value", s.Step)
			}
		}
	}
	return &rec, nil
}

// A Difference is one behaviour that two recordings show differently.
type Difference struct {
	Step, Fact string
	A, B       string
	Row        string // of docs/google.md
	Varies     bool
}

func (d Difference) String() string { return d.Step + ": " + d.Fact }

// unseen stands for the value of a fact that a run has not come to.
const unseen = "not seen"

// compare returns what differs, in the order of b. A step that was not begun in one
// of the recordings is left out, and so is what an unfinished step did not come to.
func compare(a, b *Recording) []Difference {
	var all []Difference
	for _, inB := range b.Steps {
		inA := a.step(inB.Step)
		if inA == nil {
			continue
		}
		all = append(all, inA.compare(&inB)...)
	}
	return all
}

func (s *StepRecord) compare(other *StepRecord) []Difference {
	var all []Difference
	if s.Failed != other.Failed {
		const whole = "it comes to its end"
		all = append(all, Difference{Step: s.Step, Fact: whole, A: orYes(s.Failed), B: orYes(other.Failed)})
	}
	for _, f := range other.Facts {
		mine := s.fact(f.Name)
		switch {
		case mine != nil && mine.Value != f.Value:
			all = append(all, Difference{s.Step, f.Name, mine.Value, f.Value, f.row, f.Varies})
		case mine == nil && s.Failed == "":
			all = append(all, Difference{s.Step, f.Name, unseen, f.Value, f.row, f.Varies})
		}
	}
	for _, f := range s.Facts {
		if other.fact(f.Name) == nil && other.Failed == "" {
			all = append(all, Difference{s.Step, f.Name, f.Value, unseen, f.row, f.Varies})
		}
	}
	return all
}

func orYes(failed string) string {
	if failed == "" {
		return "yes"
	}
	return "no: " + failed
}

// report prints what differs between a and b.
func report(out io.Writer, a, b *Recording) []Difference {
	all := compare(a, b)
	if len(all) == 0 {
		fmt.Fprintf(out, "\nNo difference in %d behaviours.\n", a.facts())
		return nil
	}
	fmt.Fprintf(out, "\n%d of %d behaviours differ:\n", len(all), a.facts())
	width := max(len(a.Of), len(b.Of)) + 1
	for _, d := range all {
		fmt.Fprintf(out, "\n  %s\n      %-*s %s\n      %-*s %s\n", d, width, a.Of+":", d.A, width, b.Of+":", d.B)
		if d.Row != "" {
			fmt.Fprintf(out, "      docs/google.md: %s …\n", strings.TrimSuffix(d.Row, " "))
		}
		if d.Varies {
			fmt.Fprintln(out, "      (this may vary from run to run)")
		}
	}
	return all
}
