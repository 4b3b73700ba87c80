package drive

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Order is that in which Drive lists files.
type Order string

// The orders. The zero Order leaves it to Drive.
const (
	ByName      Order = "name"
	NewestFirst Order = "modifiedTime desc"
)

// A Query selects files: those that match all of its fields. The zero Query
// matches every file. Name and Prefix are compared here, because Drive's own search
// by name is late: Drive lists all files for them.
type Query struct {
	Name          string    // is the name, exactly
	Prefix        string    // starts the name, exactly
	ContentType   string    // is the content type
	ModifiedAfter time.Time // is earlier than the last modification
	Order         Order
}

// pageSize is the most that Drive lists in one answer.
const pageSize = 1000

// Files lists what q selects, in pages of 1000 that it asks for by itself, one
// at a time. Where several files have one name it yields each. An error ends
// the sequence, as its last pair.
//
// A list shows new, renamed and deleted files at once. What another process has
// changed in a file may be missing for seconds to minutes.
func (f *AppFolder) Files(ctx context.Context, q Query) iter.Seq2[*File, error] {
	q.Name, q.Prefix, q.ContentType = strings.Clone(q.Name), strings.Clone(q.Prefix), strings.Clone(q.ContentType)
	return func(yield func(*File, error) bool) {
		for file, err := range f.list(ctx, q) {
			if !yield(file, failed("list", "", err)) {
				return
			}
		}
	}
}

func (f *AppFolder) list(ctx context.Context, q Query) iter.Seq2[*File, error] {
	return func(yield func(*File, error) bool) {
		for page, err := range f.pages(ctx, q.expression(), q.Order, fileFields) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page {
				file := f.memory.latest(item.file())
				if file != nil && q.matches(file) && !yield(file, nil) {
					return
				}
			}
		}
	}
}

// pages yields the answers to a search in the folder's space, and each file once:
// Drive may list a file several times. The fields must include the ID.
func (f *AppFolder) pages(ctx context.Context, search string, order Order, wanted string) iter.Seq2[[]*resource, error] {
	return func(yield func([]*resource, error) bool) {
		query, seen := f.query(search, order, wanted), newIDSet()
		for {
			list, err := f.listPage(ctx, query)
			if err != nil {
				yield(nil, err)
				return
			}
			files := slices.DeleteFunc(list.Files, func(r *resource) bool { return !seen.add(r.ID) })
			if !yield(files, nil) || list.NextPageToken == "" {
				return
			}
			query.Set("pageToken", list.NextPageToken)
		}
	}
}

// query returns the parameters of a search in the folder's space.
func (f *AppFolder) query(search string, order Order, wanted string) url.Values {
	query := fields("nextPageToken,files(" + wanted + ")")
	query.Set("spaces", alias)
	query.Set("q", search)
	query.Set("pageSize", strconv.Itoa(pageSize))
	if order != "" {
		query.Set("orderBy", string(order))
	}
	return query
}

// A page is one answer to a search.
type page struct {
	Files         []*resource `json:"files"`
	NextPageToken string      `json:"nextPageToken"`
}

func (f *AppFolder) listPage(ctx context.Context, query url.Values) (*page, error) {
	call := f.newCall(opList, http.MethodGet, query, "drive/v3/files")
	return try(ctx, f, func(ctx context.Context) (*page, error) {
		var answer *page
		if err := f.fetch(ctx, call, &answer); err != nil {
			return nil, err
		}
		notFile := func(r *resource) bool { return !r.isFile() }
		if answer == nil || slices.ContainsFunc(answer.Files, notFile) {
			return nil, errBadAnswer
		}
		return answer, nil
	})
}

// An idSet holds hashes of IDs. Whole IDs would take five times the memory: a
// megabyte for 10,000 files.
type idSet struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func newIDSet() *idSet { return &idSet{maphash.MakeSeed(), make(map[uint64]struct{})} }

// add adds id, and reports whether it is new.
func (s *idSet) add(id string) bool {
	before := len(s.hashes)
	s.hashes[maphash.String(s.seed, id)] = struct{}{}
	return len(s.hashes) > before
}

// inFolder finds documents: no folders, and nothing inside a folder of another program.
const inFolder = "'" + alias + "' in parents and trashed = false and mimeType != '" + folderType + "'"

// expression is q in Drive's query language.
func (q Query) expression() string {
	var b strings.Builder
	b.WriteString(inFolder)
	term := func(format, value string) {
		if value != "" {
			fmt.Fprintf(&b, " and "+format, escaper.Replace(value))
		}
	}
	term("mimeType = '%s'", q.ContentType)
	if !q.ModifiedAfter.IsZero() {
		term("modifiedTime > '%s'", q.ModifiedAfter.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return b.String()
}

var escaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// matches reports whether the name of file is as q wants it.
func (q Query) matches(file *File) bool {
	return (q.Name == "" || file.Name == q.Name) && strings.HasPrefix(file.Name, q.Prefix)
}

// Usage is what the documents take up.
type Usage struct {
	Bytes int64 // of their contents; older revisions that Drive keeps are not counted
	Files int
}

// Usage adds up all documents of the folder, a request per 1000.
func (f *AppFolder) Usage(ctx context.Context) (Usage, error) {
	var sum Usage
	for page, err := range f.pages(ctx, inFolder, "", "id,size") {
		if err != nil {
			return Usage{}, failed("usage", "", err)
		}
		for _, file := range page {
			sum.Bytes += file.Size
			sum.Files++
		}
	}
	return sum, nil
}
