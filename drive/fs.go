package drive

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// FS returns the documents as a read-only file system, for as long as ctx lasts.
// A slash in a name makes directories: "maps/home.json" is in the directory
// "maps". A name that fs.ValidPath refuses, or that has a backslash, is not to be
// seen, and where both "a" and "a/b" exist, "a" is the document: then "a/b" is in
// no directory. Every call asks Drive.
//
// Its files can seek, so http.FileServerFS serves them.
func (f *AppFolder) FS(ctx context.Context) fs.FS { return folderFS{ctx, f} }

type folderFS struct {
	ctx    context.Context // fs.FS has no place for one
	folder *AppFolder
}

var (
	_ fs.StatFS    = folderFS{}
	_ fs.ReadDirFS = folderFS{}
)

// Open implements fs.FS.
func (fsys folderFS) Open(name string) (fs.File, error) {
	name = strings.Clone(name)
	info, err := fsys.lookup("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &openDir{fsys: fsys, name: name}, nil
	}
	return &openFile{fsys.folder.reader(fsys.ctx, info.file)}, nil
}

// Stat implements fs.StatFS.
func (fsys folderFS) Stat(name string) (fs.FileInfo, error) {
	name = strings.Clone(name)
	info, err := fsys.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return info, nil
}

// ReadDir implements fs.ReadDirFS.
func (fsys folderFS) ReadDir(name string) ([]fs.DirEntry, error) {
	name = strings.Clone(name)
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := fsys.readDir(name)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

func (fsys folderFS) readDir(name string) ([]fs.DirEntry, error) {
	if name == "." {
		return fsys.entries(name)
	}
	switch _, err := fsys.stat(name); {
	case err == nil:
		return nil, errors.New("not a directory")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	entries, err := fsys.entries(name)
	if err == nil && len(entries) == 0 {
		err = errNotExist
	}
	return entries, err
}

// isVisible reports whether the FS shows a document of that name.
func isVisible(name string) bool {
	return fs.ValidPath(name) && name != "." && !strings.Contains(name, `\`)
}

func (fsys folderFS) stat(name string) (*File, error) {
	if !isVisible(name) {
		return nil, errNotExist
	}
	files, err := fsys.folder.findByParent(fsys.ctx, name)
	if err != nil {
		return nil, err
	}
	return winner(files)
}

// lookup finds a document, or else a directory, by its path.
func (fsys folderFS) lookup(op, name string) (*info, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return &info{name: "."}, nil
	}
	file, err := fsys.stat(name)
	if err == nil {
		return &info{path.Base(name), file}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fsys.findDir(name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return &info{name: path.Base(name)}, nil
}

// findDir returns nil if a document lies below name.
func (fsys folderFS) findDir(name string) error {
	for file, err := range fsys.folder.list(fsys.ctx, Query{Prefix: name + "/"}) {
		if err != nil || isVisible(file.Name) {
			return err
		}
	}
	return errNotExist
}

// entries returns what is in a directory, sorted by name.
func (fsys folderFS) entries(dir string) ([]fs.DirEntry, error) {
	prefix := dir + "/"
	if dir == "." {
		prefix = ""
	}
	found := make(map[string]*info)
	for file, err := range fsys.folder.list(fsys.ctx, Query{Prefix: prefix}) {
		if err != nil {
			return nil, err
		}
		if !isVisible(file.Name) {
			continue
		}
		name, _, below := strings.Cut(strings.TrimPrefix(file.Name, prefix), "/")
		if below {
			file = nil
		}
		if old := found[name]; old == nil || old.file == nil || file != nil && byRank(file, old.file) < 0 {
			found[name] = &info{name, file}
		}
	}
	entries := make([]fs.DirEntry, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		entries = append(entries, fs.FileInfoToDirEntry(found[name]))
	}
	return entries, nil
}

// info describes a document, or a directory if file is nil.
type info struct {
	name string
	file *File
}

func (i *info) Name() string { return i.name }
func (i *info) IsDir() bool  { return i.file == nil }

// Sys returns the *File of a document.
func (i *info) Sys() any {
	if i.IsDir() {
		return nil
	}
	return i.file
}

func (i *info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

func (i *info) Size() int64 {
	if i.IsDir() {
		return 0
	}
	return i.file.Size
}

func (i *info) ModTime() time.Time {
	if i.IsDir() {
		return time.Time{}
	}
	return i.file.Modified
}

// openFile is a Reader as fs.File.
type openFile struct{ *Reader }

func (f *openFile) Stat() (fs.FileInfo, error) {
	return &info{path.Base(f.file.Name), f.file}, nil
}

// openDir is a directory as fs.ReadDirFile. It is read once, at the first
// ReadDir.
type openDir struct {
	fsys    folderFS
	name    string
	read    bool
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return &info{name: path.Base(d.name)}, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		entries, err := d.fsys.entries(d.name)
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: d.name, Err: err}
		}
		d.entries, d.read = entries, true
	}
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	part := slices.Clone(d.entries[:n])
	d.entries = d.entries[n:]
	return part, nil
}
