package drive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Stat returns the document called name, or an error that is fs.ErrNotExist. What
// another process has changed may be missing for the seconds to minutes by which
// Drive's lists are late.
func (f *AppFolder) Stat(ctx context.Context, name string) (*File, error) {
	file, err := f.stat(ctx, name)
	return file, failed("stat", name, err)
}

func (f *AppFolder) stat(ctx context.Context, name string) (*File, error) {
	files, err := f.find(ctx, name, false)
	if err != nil {
		return nil, err
	}
	return winner(files)
}

// winner returns the first of files, which are in the order of byRank.
func winner(files []*File) (*File, error) {
	if len(files) == 0 {
		return nil, errNotExist
	}
	return files[0], nil
}

// byRank puts the winner of several files of one name first: the file that was
// modified last, and among equals the one with the smallest ID.
func byRank(a, b *File) int {
	return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(a.ID, b.ID))
}

func checkName(name string) error {
	if name == "" || !utf8.ValidString(name) {
		return fmt.Errorf("a name must be non-empty UTF-8: %w", errInvalid)
	}
	return nil
}

// find returns all files that are called name, the winner first. If fresh, or if
// there are several, each is as files.get shows it and not as a list does.
//
// Drive's search by name is late. If it finds no file, or misses the one that f
// remembers, the name is looked for in the list by parent, which misses none. Who writes
// by the result must ask for fresh files: the search also finds files by old names.
func (f *AppFolder) find(ctx context.Context, name string, fresh bool) ([]*File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	listed, err := f.filesNamed(ctx, name, inFolder+" and name = '"+escaper.Replace(name)+"'", fileFields)
	if err != nil {
		return nil, err
	}
	if !f.memory.knowsMore(name, listed) {
		files, err := f.current(ctx, name, listed, fresh)
		if err != nil || len(files) > 0 {
			return files, err
		}
	}
	if listed, err = f.filesNamed(ctx, name, inFolder, "id,name"); err != nil {
		return nil, err
	}
	return f.current(ctx, name, listed, true)
}

// findByParent is find by the list of all documents.
func (f *AppFolder) findByParent(ctx context.Context, name string) ([]*File, error) {
	listed, err := f.filesNamed(ctx, name, inFolder, fileFields)
	if err != nil {
		return nil, err
	}
	return f.current(ctx, name, listed, false)
}

// filesNamed returns the files of a search that are called name, which Drive
// compares less strictly.
func (f *AppFolder) filesNamed(ctx context.Context, name, search, wanted string) ([]*File, error) {
	var files []*File
	for page, err := range f.pages(ctx, search, "", wanted) {
		if err != nil {
			return nil, err
		}
		for _, item := range page {
			if item.Name == name {
				files = append(files, item.file())
			}
		}
	}
	return files, nil
}

// current returns the files that are called name, by what a list shows and by what
// f remembers. It asks Drive for each file of which the list may be late.
func (f *AppFolder) current(ctx context.Context, name string, listed []*File, fresh bool) ([]*File, error) {
	candidates := f.memory.review(name, listed)
	fresh = fresh || len(candidates) > 1
	var files []*File
	for _, c := range candidates {
		file := c.file
		if file == nil || fresh {
			var err error
			mark := f.memory.mark()
			file, err = f.get(ctx, c.id)
			if errors.Is(err, fs.ErrNotExist) {
				f.memory.forget(c.id)
				continue
			}
			if err != nil {
				return nil, err
			}
			f.memory.keep(file, mark)
		}
		if file.Name == name {
			files = append(files, file)
		}
	}
	slices.SortFunc(files, byRank)
	return files, nil
}

// maxRemembered bounds how many files an AppFolder remembers.
const maxRemembered = 1000

// A memory holds the files that an AppFolder has written or looked at lately, so that
// it sees its own writes although Drive's lists are late. Its zero value is empty and
// ready. It is safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	files map[string]*remembered // by ID
	names map[string]string      // the ID of the file last seen under a name
	order []string               // the IDs, the one set last at the end
	sets  int                    // how often an entry was set
}

// maxLate is for how long a list may show a file as it was.
const maxLate = 10 * time.Minute

// remembered is what a memory holds of a file. If file is nil, it is deleted.
type remembered struct {
	file    *File
	doubted bool // file may be out of date
	at      time.Time
	set     int // memory.sets when it was set
}

// mark returns how often an entry was set, for keep.
func (m *memory) mark() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sets
}

// keep remembers file, as Drive has answered a request that was sent after mark.
//
// Drive may have worked in another order than its answers come in. So a deleted file
// stays deleted, because Drive uses no ID twice, and an entry that was set after mark
// stays if its file was modified later. Entries from before mark never stay, because
// another client may have set their time into the future.
func (m *memory) keep(file *File, mark int) {
	kept := file.copied()
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.files[kept.ID]; r != nil && (r.file == nil || r.set > mark && r.file.Modified.After(kept.Modified)) {
		return
	}
	m.set(kept.ID, remembered{file: kept})
	m.names[kept.Name] = kept.ID
}

// forget remembers that the file that had id does not exist any more.
func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(id, remembered{})
}

// doubt makes the next look at file ask Drive, because what was known of it does not
// fit its content. An entry that does not agree with file stays: it may be newer, and
// if a list shows file, the next look asks Drive anyway.
func (m *memory) doubt(file *File) {
	kept := file.copied()
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.files[kept.ID]; r != nil && (r.file == nil || !r.agrees(kept)) {
		return
	}
	m.set(kept.ID, remembered{file: kept, doubted: true})
	m.names[kept.Name] = kept.ID
}

func (m *memory) set(id string, r remembered) {
	if m.files == nil {
		m.files, m.names = make(map[string]*remembered), make(map[string]string)
	}
	if m.files[id] != nil {
		m.order = slices.DeleteFunc(m.order, func(other string) bool { return other == id })
	}
	m.order = append(m.order, id)
	m.unname(id)
	m.sets++
	r.at, r.set = time.Now(), m.sets
	m.files[id] = &r
	if len(m.order) > maxRemembered {
		oldest := m.order[0]
		m.order = m.order[1:]
		m.unname(oldest)
		delete(m.files, oldest)
	}
}

// unname removes the name of the file that has id.
func (m *memory) unname(id string) {
	if r := m.files[id]; r != nil && r.file != nil && m.names[r.file.Name] == id {
		delete(m.names, r.file.Name)
	}
}

// A candidate is a file that may have a certain name. If file is nil, only Drive
// knows.
type candidate struct {
	id   string
	file *File
}

// review returns the candidates for name: the files that a list shows, without those
// known to be deleted, and the file remembered under that name.
func (m *memory) review(name string, listed []*File) []candidate {
	m.mu.Lock()
	defer m.mu.Unlock()
	var candidates []candidate
	own, ok := m.names[name]
	for _, file := range listed {
		ok = ok && file.ID != own
		r := m.files[file.ID]
		switch {
		case r == nil:
			candidates = append(candidates, candidate{file.ID, file})
		case r.file == nil:
		case r.agrees(file):
			candidates = append(candidates, candidate{file.ID, file})
		default:
			candidates = append(candidates, candidate{id: file.ID})
		}
	}
	if ok {
		candidates = append(candidates, candidate{id: own})
	}
	return candidates
}

// agrees reports whether a list shows the file as r has it, or newer.
func (r *remembered) agrees(listed *File) bool {
	if r.doubted || r.file.Name != listed.Name {
		return false
	}
	return listed.Modified.After(r.file.Modified) ||
		listed.Modified.Equal(r.file.Modified) && listed.Revision == r.file.Revision
}

// knowsMore reports whether a file is remembered under name that listed misses.
func (m *memory) knowsMore(name string, listed []*File) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.names[name]
	return ok && !slices.ContainsFunc(listed, func(f *File) bool { return f.ID == id })
}

// isDeleted reports whether the file that had id is known to be deleted.
func (m *memory) isDeleted(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.files[id]
	return r != nil && r.file == nil
}

// latest returns the later of listed and what is remembered of the same file, or nil
// if that is known to be deleted. The list is one by parent, so its names are right.
func (m *memory) latest(listed *File) *File {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.files[listed.ID]
	switch {
	case r == nil:
		return listed
	case r.file == nil:
		return nil
	case r.doubted, r.file.Name != listed.Name, r.agrees(listed), time.Since(r.at) > maxLate:
		return listed
	}
	return r.file.copied()
}
