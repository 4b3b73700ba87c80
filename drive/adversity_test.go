package drive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

var veryLate = drivetest.Lag{Create: time.Hour, Rename: time.Hour, Delete: time.Hour, Update: time.Hour, Twice: true}

// stored returns the names, contents and properties in the folder, in order.
func stored(srv *drivetest.Server) string {
	var all []string
	for _, f := range srv.Folder(drivetest.DefaultUser).Files() {
		all = append(all, fmt.Sprintf("%s=%.20s(%d)%v", f.Name, f.Content, len(f.Content), f.AppProperties))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// putString returns a step that puts content as the document called name.
func putString(name, content string, opts drive.PutOptions) func(context.Context, *drive.AppFolder) error {
	return func(ctx context.Context, f *drive.AppFolder) error {
		_, err := f.Put(ctx, name, strings.NewReader(content), opts)
		return err
	}
}

// Whatever goes wrong with one request, each operation succeeds, and leaves what it
// leaves when nothing goes wrong.
func TestAnyFault(t *testing.T) {
	const unit = 256 << 10
	large := strings.Repeat("0123456789abcdef", 2*unit/16) + "end"
	old := []drivetest.File{{Name: "a", Content: []byte("old"), Revision: "r1", AppProperties: map[string]string{"k": "v"}}}
	three := []drivetest.File{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	operations := map[string]struct {
		setup []drivetest.File
		do    func(context.Context, *drive.AppFolder) error
	}{
		"create":         {nil, putString("a", "new", drive.PutOptions{})},
		"create absent":  {nil, putString("a", "new", drive.PutOptions{IfRevision: drive.Absent})},
		"create large":   {nil, putString("a", large, drive.PutOptions{})},
		"replace":        {old, putString("a", "new", drive.PutOptions{})},
		"replace by old": {old, putString("a", "old", drive.PutOptions{})},
		"replace if":     {old, putString("a", "new", drive.PutOptions{IfRevision: "r1"})},
		"replace large":  {old, putString("a", large, drive.PutOptions{IfRevision: "r1"})},
		"create stream": {nil, func(ctx context.Context, f *drive.AppFolder) error {
			_, err := f.Put(ctx, "a", io.MultiReader(strings.NewReader(large)), drive.PutOptions{})
			return err
		}},
		"read": {old, func(ctx context.Context, f *drive.AppFolder) error {
			r, err := f.Open(ctx, "a")
			if err != nil {
				return err
			}
			if b, err := io.ReadAll(r); err != nil || string(b) != "old" {
				return fmt.Errorf("read %q, %w", b, err)
			}
			return nil
		}},
		"list": {three, func(ctx context.Context, f *drive.AppFolder) error {
			n := 0
			for _, err := range f.Files(ctx, drive.Query{}) {
				if err != nil {
					return err
				}
				n++
			}
			if n != len(three) {
				return fmt.Errorf("listed %d", n)
			}
			return nil
		}},
		"rename": {three, func(ctx context.Context, f *drive.AppFolder) error {
			file, err := f.Rename(ctx, "a", "b")
			if err == nil && (file == nil || file.Name != "b") {
				return fmt.Errorf("renamed %v", file)
			}
			return err
		}},
		"set properties": {old, func(ctx context.Context, f *drive.AppFolder) error {
			_, err := f.SetProperties(ctx, "a", map[string]string{"k": "", "l": "w"})
			return err
		}},
		"delete": {append(old, old...), func(ctx context.Context, f *drive.AppFolder) error {
			return f.Delete(ctx, "a")
		}},
		"delete all": {three, func(ctx context.Context, f *drive.AppFolder) error {
			n, err := f.DeleteAll(ctx)
			if err == nil && n != len(three) {
				return fmt.Errorf("deleted %d", n)
			}
			return err
		}},
	}
	faults := []drivetest.Fault{
		{Status: 408},
		{Status: 429, Performed: true},
		{Status: 503, Performed: true, Times: 2},
		{Cut: true},
		{Cut: true, CutAt: unit + 100},
		{Cut: true, Performed: true},
		{Cut: true, Performed: true, CutAt: 60},
		{Cut: true, Performed: true, CutAt: 250},
	}
	for name, op := range operations {
		run := func(t *testing.T, lag drivetest.Lag, faults ...drivetest.Fault) (*drivetest.Server, error) {
			srv := drivetest.NewServer(drivetest.Options{Lag: lag})
			defer srv.Close()
			for _, file := range op.setup {
				srv.Folder(drivetest.DefaultUser).Add(file)
			}
			srv.Inject(faults...)
			var err error
			inBubble(t, srv, drive.Config{ChunkSize: unit}, func(t *testing.T, folder *drive.AppFolder) {
				err = op.do(t.Context(), folder)
			})
			return srv, err
		}
		for lagName, lag := range map[string]drivetest.Lag{"lists in time": {}, "late lists": veryLate} {
			t.Run(name+"/"+lagName, func(t *testing.T) {
				t.Parallel()
				srv, err := run(t, lag)
				if err != nil {
					t.Fatal(err)
				}
				requests, want := srv.Requests(), stored(srv)
				for i, r := range requests {
					for _, fault := range faults {
						fault.Nth = i + 1
						srv, err := run(t, lag, fault)
						if got := stored(srv); err != nil || got != want {
							t.Errorf("%s with %+v: stored %q, want %q; error %v", r.Op, fault, got, want, err)
						}
					}
				}
			})
		}
	}
}

// However late its lists are, one AppFolder behaves as a map does.
func TestOneFolderIsAMap(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		lag := randomLag(rnd)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			srv := newServer(t, drivetest.Options{Lag: lag})
			m := &mapped{folder: open(t, drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL}), srv: srv, want: map[string]string{}}
			for step := range 25 {
				m.step(t, rnd, fmt.Sprint(step))
				m.compareStored(t)
				m.compareShown(t)
				if t.Failed() {
					t.Fatalf("%+v: %s", lag, strings.Join(m.log, ", "))
				}
			}
		})
	}
}

// Two AppFolders that write in turns store what a map does. What one shows of the writes
// of the other may be late.
func TestTwoFoldersStoreAMap(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		lag := randomLag(rnd)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			srv := newServer(t, drivetest.Options{Lag: lag})
			cfg := drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL}
			folders := []*drive.AppFolder{open(t, cfg), open(t, cfg)}
			m := &mapped{srv: srv, want: map[string]string{}}
			for step := range 25 {
				who := rnd.IntN(2)
				m.folder = folders[who]
				m.step(t, rnd, fmt.Sprintf("%d by %d", step, who))
				m.compareStored(t)
				if t.Failed() {
					t.Fatalf("%+v: %s", lag, strings.Join(m.log, ", "))
				}
			}
		})
	}
}

// randomLag returns a lag of which each part is none, short or long.
func randomLag(rnd *rand.Rand) drivetest.Lag {
	late := func() time.Duration { return []time.Duration{0, time.Second, time.Hour}[rnd.IntN(3)] }
	return drivetest.Lag{Create: late(), Rename: late(), Delete: late(), Update: late(), Twice: rnd.IntN(2) == 0}
}

// A mapped folder is compared with a map after each step.
type mapped struct {
	folder *drive.AppFolder
	srv    *drivetest.Server
	want   map[string]string
	log    []string
}

var mappedNames = []string{"a", "b", "c"}

func (m *mapped) step(t *testing.T, rnd *rand.Rand, value string) {
	a, b := mappedNames[rnd.IntN(3)], mappedNames[rnd.IntN(3)]
	content, there := m.want[a]
	var err, want error
	missing := func() {
		if !there {
			want = fs.ErrNotExist
		}
	}
	do := rnd.IntN(8)
	m.log = append(m.log, fmt.Sprintf("%s %s%s of step %s", []string{"put", "put", "create", "put if", "rename", "delete", "set properties", "wait"}[do], a, b, value))
	switch do {
	case 0, 1:
		err = putString(a, value, drive.PutOptions{})(t.Context(), m.folder)
		m.want[a] = value
	case 2:
		err = putString(a, value, drive.PutOptions{IfRevision: drive.Absent})(t.Context(), m.folder)
		if there {
			want = drive.ErrConflict
		} else {
			m.want[a] = value
		}
	case 3:
		if there {
			now := m.srv.Folder(drivetest.DefaultUser).Files(a)[0].Revision
			err = putString(a, value, drive.PutOptions{IfRevision: now})(t.Context(), m.folder)
			m.want[a] = value
		}
	case 4:
		_, err = m.folder.Rename(t.Context(), a, b)
		if missing(); there {
			delete(m.want, a)
			m.want[b] = content
		}
	case 5:
		err = m.folder.Delete(t.Context(), a)
		missing()
		delete(m.want, a)
	case 6:
		_, err = m.folder.SetProperties(t.Context(), a, map[string]string{"k": value})
		missing()
	case 7:
		m.srv.Advance(2 * time.Second)
	}
	if (err == nil) != (want == nil) || !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// compareStored compares what is stored with the map.
func (m *mapped) compareStored(t *testing.T) {
	files := m.srv.Folder(drivetest.DefaultUser).Files()
	for _, f := range files {
		if content, ok := m.want[f.Name]; !ok || content != string(f.Content) {
			t.Errorf("%s is %q, want %q", f.Name, f.Content, content)
		}
	}
	if len(files) != len(m.want) {
		t.Errorf("%d files, want %d", len(files), len(m.want))
	}
}

// compareShown compares what each way of reading shows with the map.
func (m *mapped) compareShown(t *testing.T) {
	listed := map[string]bool{}
	for f, err := range m.folder.Files(t.Context(), drive.Query{}) {
		if err != nil {
			t.Error(err)
			return
		}
		if content, ok := m.want[f.Name]; !ok || listed[f.Name] || f.Size != int64(len(content)) {
			t.Errorf("listed %+v, want %q", f, content)
		}
		listed[f.Name] = true
	}
	entries, err := fs.ReadDir(m.folder.FS(t.Context()), ".")
	if len(listed) != len(m.want) || len(entries) != len(m.want) || err != nil {
		t.Errorf("%d listed, %d entries, want %d; %v", len(listed), len(entries), len(m.want), err)
	}
	for _, name := range mappedNames {
		content, there := m.want[name]
		r, err := m.folder.Open(t.Context(), name)
		if err != nil || !there {
			if there || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open %s (there: %t): %v", name, there, err)
			}
			continue
		}
		if now := m.srv.Folder(drivetest.DefaultUser).Files(name)[0].Revision; r.File().Revision != now {
			t.Errorf("%s is shown at revision %s, want %s", name, r.File().Revision, now)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != content {
			t.Errorf("%s reads %q, %v; want %q", name, b, err, content)
		}
	}
}
