package drive

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An Order is that in which Drive lists files.
type Order string

// The orders. The zero Order leaves it to Drive.
const (
	ByName      Order = "name"
	NewestFirst Order = "modifiedTime desc"
	OldestFirst Order = "modifiedTime"
)

// A Query selects files: those that match all of its fields. The zero Query
// matches every file.
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
func (f *AppFolder) Files(ctx context.Context, q Query) iter.Seq2[*File, error] {
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
				if file := item.file(); q.matches(file) && !yield(file, nil) {
					return
				}
			}
		}
	}
}

// pages yields the answers to a search in the folder's space. The fields must
// include the ID.
func (f *AppFolder) pages(ctx context.Context, search string, order Order, wanted string) iter.Seq2[[]*resource, error] {
	return func(yield func([]*resource, error) bool) {
		query := fields("nextPageToken,files(" + wanted + ")")
		query.Set("spaces", alias)
		query.Set("q", search)
		query.Set("pageSize", strconv.Itoa(pageSize))
		if order != "" {
			query.Set("orderBy", string(order))
		}
		for {
			list, err := try(ctx, f, func(ctx context.Context) (*page, error) { return f.page(ctx, query) })
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(list.Files, nil) || list.NextPageToken == "" {
				return
			}
			query.Set("pageToken", list.NextPageToken)
		}
	}
}

// A page is one answer to a search.
type page struct {
	Files         []*resource `json:"files"`
	NextPageToken string      `json:"nextPageToken"`
}

func (f *AppFolder) page(ctx context.Context, query url.Values) (*page, error) {
	var answer *page
	if err := f.fetch(ctx, f.newCall(http.MethodGet, query, "drive/v3/files"), &answer); err != nil {
		return nil, err
	}
	notFile := func(r *resource) bool { return !r.isFile() }
	if answer == nil || slices.ContainsFunc(answer.Files, notFile) {
		return nil, errBadAnswer
	}
	return answer, nil
}

// inFolder finds documents: no folders, and nothing inside a folder that somebody
// made in this one.
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
	term("name = '%s'", q.Name)
	term("name contains '%s'", q.Prefix)
	term("mimeType = '%s'", q.ContentType)
	if !q.ModifiedAfter.IsZero() {
		term("modifiedTime > '%s'", q.ModifiedAfter.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return b.String()
}

var escaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// matches compares names to the letter, which Drive may not.
func (q Query) matches(file *File) bool {
	return (q.Name == "" || file.Name == q.Name) && strings.HasPrefix(file.Name, q.Prefix)
}

// Stat returns the document called name, or an error that is fs.ErrNotExist.
func (f *AppFolder) Stat(ctx context.Context, name string) (*File, error) {
	file, err := f.stat(ctx, name)
	return file, failed("stat", name, err)
}

func (f *AppFolder) stat(ctx context.Context, name string) (*File, error) {
	files, err := f.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errNotExist
	}
	return files[0], nil
}

// find returns all files that are called name, the winner first.
func (f *AppFolder) find(ctx context.Context, name string) ([]*File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var files []*File
	for file, err := range f.list(ctx, Query{Name: name}) {
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	slices.SortFunc(files, byRank)
	return files, nil
}

// byRank puts the winner of several files of one name first. The order is one that
// no write changes. So nobody deletes the first of them as a duplicate, and two
// writers do not delete each other's file.
func byRank(a, b *File) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

func checkName(name string) error {
	if name == "" || !utf8.ValidString(name) {
		return fmt.Errorf("a name must be non-empty UTF-8: %w", errInvalid)
	}
	return nil
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
