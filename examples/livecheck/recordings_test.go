package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// replay compares the recordings in a folder with the fakes of today.
func replay(t *testing.T, folder string) (differences []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := readRecording(file)
		file.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		today, err := lookAtFakes(context.Background(), rec.Project)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range compare(rec, today) {
			if !d.Varies && d.A != unseen { // a later livecheck may look at more
				differences = append(differences, filepath.Base(path)+": "+d.String()+": "+rec.Of+": "+d.A+"; the fakes: "+d.B)
			}
		}
	}
	return differences
}

// TestRecordings holds the fakes to all that was seen at Google.
func TestRecordings(t *testing.T) {
	t.Parallel()
	for _, d := range replay(t, "testdata/recordings") {
		t.Error(d)
	}
}

// TestReplay checks that by recordings of the fakes themselves, some of them changed.
func TestReplay(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	testing, err := lookAtFakes(t.Context(), Project{Testing: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := testing.write(filepath.Join(folder, "same.json")); err != nil {
		t.Fatal(err)
	}
	if d := replay(t, folder); len(d) > 0 {
		t.Errorf("differences of the fakes themselves: %q", d)
	}
	testing.step("code-twice").fact("for the second time").Value = "400 invalid_request"
	testing.step("late-search").fact("a search by name finds a new file").Value = "within a minute"
	gone := testing.step("etags")
	gone.Facts = gone.Facts[1:]
	if err := testing.write(filepath.Join(folder, "changed.json")); err != nil {
		t.Fatal(err)
	}
	want := []string{"changed.json: code-twice: for the second time: the fakes: 400 invalid_request; the fakes: 400 invalid_grant"}
	if d := replay(t, folder); !slices.Equal(d, want) {
		t.Errorf("differences %q, want %q", d, want)
	}
	if err := testing.write(filepath.Join(folder, "changed.json")); err == nil {
		t.Error("a recording was overwritten")
	}
}

func TestReadRecording(t *testing.T) {
	t.Parallel()
	const good = `{"livecheck":1,"of":"Google","date":"2026-12-01","version":"v1","project":{"testing":true,"authClaims":false},` +
		`"steps":[{"step":"a","facts":[{"name":"b","value":"c"}]}]}`
	if _, err := readRecording(strings.NewReader(good)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string][2]string{
		"another form":  {`"livecheck":1`, `"livecheck":2`},
		"unknown field": {`"value"`, `"token":"x","value"`},
		"no value":      {`"c"`, `""`},
		"no JSON":       {`{"livecheck"`, `"livecheck"`},
	} {
		if _, err := readRecording(strings.NewReader(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	one := &Recording{Steps: []StepRecord{
		{Step: "a", Facts: []Fact{{Name: "same", Value: "x"}, {Name: "other", Value: "x"}, {Name: "gone", Value: "x"}}},
		{Step: "b", Failed: "lost", Facts: []Fact{{Name: "same", Value: "x"}}},
		{Step: "only here", Facts: []Fact{{Name: "same", Value: "x"}}},
	}}
	two := &Recording{Steps: []StepRecord{
		{Step: "a", Facts: []Fact{{Name: "same", Value: "x"}, {Name: "other", Value: "y"}, {Name: "new", Value: "y"}}},
		{Step: "b", Facts: []Fact{{Name: "same", Value: "x"}, {Name: "not come to", Value: "y"}}},
	}}
	for _, c := range []struct {
		a, b *Recording
		want []Difference
	}{
		{one, two, []Difference{
			{Step: "a", Fact: "other", A: "x", B: "y"}, {Step: "a", Fact: "new", A: unseen, B: "y"}, {Step: "a", Fact: "gone", A: "x", B: unseen},
			{Step: "b", Fact: "it comes to its end", A: "no: lost", B: "yes"},
		}},
		{two, one, []Difference{
			{Step: "a", Fact: "other", A: "y", B: "x"}, {Step: "a", Fact: "gone", A: unseen, B: "x"}, {Step: "a", Fact: "new", A: "y", B: unseen},
			{Step: "b", Fact: "it comes to its end", A: "yes", B: "no: lost"},
		}},
		{one, one, nil},
	} {
		if got := compare(c.a, c.b); !slices.Equal(got, c.want) {
			t.Errorf("differences\n %+v, want\n %+v", got, c.want)
		}
	}
}

// A row of docs/google.md is a behaviour, and the steps that look at it.
type row struct {
	what  string
	steps []string
}

func rows(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile("../../docs/google.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what |") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |\n"), " | ")
		r := row{what: cells[0]}
		if last := cells[len(cells)-1]; last != "-" {
			r.steps = strings.Split(last, ", ")
		}
		all = append(all, r)
	}
	return all
}

// TestRows holds docs/google.md and the steps to each other: each step that a row
// names exists and has a fact about it, and each fact has a row that names its step.
func TestRows(t *testing.T) {
	t.Parallel()
	all := rows(t)
	looked := make(map[string]bool) // row and step
	for _, s := range expected(t).Steps {
		for _, f := range s.Facts {
			i := slices.IndexFunc(all, func(r row) bool { return f.row != "" && strings.HasPrefix(r.what, f.row) })
			if i < 0 || !slices.Contains(all[i].steps, s.Step) {
				t.Errorf("%s: %s: no row of docs/google.md that begins with %q names the step", s.Step, f.Name, f.row)
				continue
			}
			looked[all[i].what+s.Step] = true
			if slices.ContainsFunc(all[i+1:], func(r row) bool { return strings.HasPrefix(r.what, f.row) }) {
				t.Errorf("%s: %s: two rows of docs/google.md begin with %q", s.Step, f.Name, f.row)
			}
		}
	}
	isStep := regexp.MustCompile(`^[a-z0-9-]+$`)
	for _, r := range all {
		for _, name := range r.steps {
			if !isStep.MatchString(name) || !looked[r.what+name] {
				t.Errorf("docs/google.md: %q: no fact of a step %q is about it", r.what, name)
			}
		}
	}
}
