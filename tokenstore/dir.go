package tokenstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A Dir is a [Store] in a folder of a local file system, for command-line tools
// and small services: one file a grant, which only its owner can read. It is a
// [Lister], a [Finder] and a [Leaser] too; Keys and Find read all files.
//
// What Save has acknowledged is on the disk: it writes a file beside the former
// one, syncs it and renames it. Processes that share the folder exclude each
// other by advisory locks (flock), which a network file system may not have.
//
// The files hold the tokens in the clear unless a [Sealed] stands in front.
// Their names are hashes of the keys: any key is a legal name everywhere.
//
// [OpenDir] makes a Dir.
type Dir struct {
	path    string
	folders [dirFolders]chan struct{} // who holds the one element may ask for the folder's lock
}

var (
	_ Store  = (*Dir)(nil)
	_ Lister = (*Dir)(nil)
	_ Finder = (*Dir)(nil)
	_ Leaser = (*Dir)(nil)
)

// dirFolders is one for each first digit of a file's name, so that not all
// writers wait for one lock and one disk sync.
const dirFolders = 16

// OpenDir opens the folder at path, and creates it if need be, for its owner
// only. In one that is there already it takes from others the right to read or
// write the folders inside, which have the grants, and to write to the folder
// itself (unless its sticky bit protects what is inside); where it may not do
// so, or one of those inside is a link, it fails. It removes what processes have
// left there that died: half-written files, and leases that have expired. There
// is nothing to close. On a system without flock (Windows,
// AIX, Solaris) the error wraps [errors.ErrUnsupported].
func OpenDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, dirError("opening", err)
	}
	d := &Dir{path: path}
	if err := d.makeFolders(); err != nil {
		return nil, dirError("opening", err)
	}
	lock, err := d.lock(context.Background(), "0") // to know now if there are no locks
	if err != nil {
		return nil, dirError("opening", err)
	}
	lock.unlock()
	for n := range d.folders {
		if err := d.tidy(n); err != nil {
			return nil, dirError("opening", err)
		}
	}
	return d, nil
}

func (d *Dir) makeFolders() error {
	if err := makeFolder(d.path); err != nil {
		return err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if err := deny(d.path, info, 0o022); err != nil {
		return err
	}
	for n := range d.folders {
		d.folders[n] = make(chan struct{}, 1)
		if err := makeShard(d.folder(n)); err != nil {
			return err
		}
	}
	return nil
}

// makeShard makes a folder inside. It follows no link: where others may write, it
// may be theirs, to a folder that is none of a Dir's business.
func makeShard(path string) error {
	if err := makeFolder(path); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is there and is no folder", path)
	}
	return deny(path, info, 0o077)
}

// deny takes rights away from a folder. Where it is sticky others can neither
// remove nor rename what is not theirs, and may keep the right to write.
func deny(path string, folder os.FileInfo, rights os.FileMode) error {
	mode := folder.Mode()
	if mode&os.ModeSticky != 0 {
		rights &^= 0o022
	}
	if mode&rights == 0 {
		return nil
	}
	return os.Chmod(path, mode&^rights)
}

// makeFolder is [os.MkdirAll], and puts each new folder's name on the disk: what
// is in a folder without one is lost in a power cut.
func makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	folder, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

var errDirNotOpened = errors.New("tokenstore: OpenDir makes a Dir")

// enter is what every method does first.
func (d *Dir) enter(ctx context.Context, key Key) error {
	if d.path == "" {
		return errDirNotOpened
	}
	return enter(ctx, key)
}

func dirError(doing string, err error) error {
	return failed(doing, "a folder of grants", err)
}

// fileName is a hash of parts; none of them can run into the next.
func fileName(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

const grantSuffix = ".grant"

func grantName(key Key) string { return fileName(key.ClientID, key.Subject) + grantSuffix }

// folderOf is the number of a name's first digit.
func folderOf(name string) int { return strings.IndexByte("0123456789abcdef", name[0]) }

func (d *Dir) folder(n int) string { return filepath.Join(d.path, fmt.Sprintf("%x", n)) }

func (d *Dir) file(name string) string { return filepath.Join(d.folder(folderOf(name)), name) }

// Load implements [Store]. A file that cannot be read is [ErrSealed]. If it is
// legible as far as the Version, that comes with it, so that a sign-in with a new
// refresh token can replace it.
func (d *Dir) Load(ctx context.Context, key Key) (Grant, error) {
	if err := d.enter(ctx, key); err != nil {
		return Grant{}, err
	}
	g, err := d.load(key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		err = dirError("reading from", err)
	}
	return g, err
}

func (d *Dir) load(key Key) (Grant, error) {
	data, err := os.ReadFile(d.file(grantName(key)))
	if errors.Is(err, os.ErrNotExist) {
		return Grant{}, ErrNotFound
	}
	if err != nil {
		return Grant{}, err
	}
	kept, g, err := parseGrantFile(data)
	if err == nil && kept != key {
		return Grant{}, errGrantFile // put there by hand
	}
	return g, err
}

// Save implements [Store].
func (d *Dir) Save(ctx context.Context, key Key, g Grant) (version string, err error) {
	if err := d.enter(ctx, key); err != nil {
		return "", err
	}
	replaces := g.Version
	g.Version = rand.Text()
	data, err := grantFile(key, g)
	if err != nil {
		return "", err
	}
	err = d.change(ctx, grantName(key), func(lock *folderLock) error {
		kept, err := d.version(key)
		if err != nil {
			return err
		}
		if kept != replaces {
			return ErrConflict
		}
		return lock.write(grantName(key), data)
	})
	if err != nil {
		return "", err
	}
	return g.Version, nil
}

// Delete implements [Store].
func (d *Dir) Delete(ctx context.Context, key Key, version string) error {
	if err := d.enter(ctx, key); err != nil {
		return err
	}
	return d.change(ctx, grantName(key), func(lock *folderLock) error {
		if version != AnyVersion {
			kept, err := d.version(key)
			if err != nil || kept == "" {
				return err
			}
			if kept != version {
				return ErrConflict
			}
		}
		return lock.remove(grantName(key))
	})
}

// version returns that of the kept grant, empty if there is none. It is an error
// only where there is a file that does not say.
func (d *Dir) version(key Key) (string, error) {
	kept, err := d.load(key)
	if kept.Version != "" || errors.Is(err, ErrNotFound) {
		return kept.Version, nil
	}
	return "", err
}

// change lets f change files while nobody else, in this process or another,
// changes one in the folder of name.
func (d *Dir) change(ctx context.Context, name string, f func(*folderLock) error) error {
	lock, err := d.lock(ctx, name)
	if err != nil {
		return dirError("locking", err)
	}
	defer lock.unlock()
	err = f(lock)
	if err != nil && !errors.Is(err, ErrConflict) {
		err = dirError("writing to", err)
	}
	return err
}
