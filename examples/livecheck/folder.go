package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed3a054f9c/googlesignin/drive"
)

const (
	rowScope   = "`drive.appdata` opens it"
	rowSpaces  = "`files.list` without `spaces=appDataFolder`"
	rowMoved   = "Nothing in it can be shared"
	rowParents = "A file without `parents`"
	rowAlias   = "Answers name the folder by its ID"
	rowLegacy  = "`appfolder`, as older guides write"
	rowEqual   = "Names are not unique"
	rowPrefix  = "`name contains` finds prefixes"
	rowLate    = "Search by name lags"
	rowID      = "An ID from `generateIds`"
	rowETag    = "No ETag"
	rowFew     = "Answers have few fields"
	rowLarge   = "More than 5 MB takes"
	rowChunks  = "Chunks go by PUT and 308"
	rowLimits  = "At most 30 properties"
	rowRename  = "A rename sets `modifiedTime`"
)

// file asks for something about a file, or the collection of them for an empty id.
func (r *run) file(ctx context.Context, method, id, query string, meta map[string]any) *answer {
	address, header, body := filesURL, bearer(r.access), ""
	if id != "" {
		address += "/" + (&url.URL{Path: id}).EscapedPath()
	}
	if query != "" {
		address += "?" + query
	}
	if meta != nil {
		b, err := json.Marshal(meta)
		if err != nil {
			r.fail(err)
		}
		header.Set("Content-Type", "application/json; charset=UTF-8")
		body = string(b)
	}
	return r.send(ctx, method, address, header, body)
}

// create makes a file in the folder. The name of each file begins with livecheck, for
// deleteFiles.
func (r *run) create(ctx context.Context, meta map[string]any) *answer {
	meta["parents"] = []string{"appDataFolder"}
	a := r.file(ctx, http.MethodPost, "", "", meta)
	r.secrets = append(r.secrets, a.text("id"))
	return a
}

// newFile creates a file of a name, and returns its ID.
func (r *run) newFile(ctx context.Context, name string) string {
	a := r.create(ctx, map[string]any{"name": name})
	if a.text("id") == "" {
		r.fail(errors.New("no file was created: " + a.outcome()))
	}
	return a.text("id")
}

// change updates a file, or deletes it if it is there.
func (r *run) change(ctx context.Context, method, id string, meta map[string]any) {
	a := r.file(ctx, method, id, "", meta)
	gone := method == http.MethodDelete && a.status == http.StatusNotFound // a list may be late, or show a file twice
	if a.status >= 300 && !gone {
		r.fail(errors.New("a file was not changed: " + a.outcome()))
	}
}

// deleteFiles deletes all that the steps have created.
func (r *run) deleteFiles(ctx context.Context) {
	for _, id := range r.search(ctx, "") {
		r.change(ctx, http.MethodDelete, id, nil)
	}
}

// search returns the IDs of this program's files that files.list finds in the folder;
// all of them for an empty q.
func (r *run) search(ctx context.Context, q string) (ids []string) {
	query := url.Values{"spaces": {"appDataFolder"}, "fields": {"files(id,name)"}, "pageSize": {"1000"}}
	if q != "" {
		query.Set("q", q)
	}
	a := r.file(ctx, http.MethodGet, "", query.Encode(), nil)
	var found struct{ Files []struct{ ID, Name string } }
	if a.status != http.StatusOK || json.Unmarshal(a.body, &found) != nil {
		r.fail(errors.New("the search failed: " + a.outcome()))
	}
	for _, f := range found.Files {
		if strings.HasPrefix(f.Name, "livecheck") {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func named(name string) string {
	return "name = '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'"
}

func (r *run) folder(ctx context.Context) {
	made := r.create(ctx, map[string]any{"name": "livecheck"})
	id := made.text("id")
	r.see("members of a new file", made.members(), rowFew)
	r.see("members of files.get", r.file(ctx, http.MethodGet, id, "", nil).members(), rowFew)
	self := r.file(ctx, http.MethodGet, "appDataFolder", "", nil)
	r.see("the folder itself", self.outcome(), rowScope)
	parents, _ := r.file(ctx, http.MethodGet, id, "fields=parents", nil).fields()["parents"].([]any)
	switch {
	case slices.Equal(parents, []any{self.text("id")}):
		r.see("parents of a file", "the folder's ID", rowAlias)
	case slices.Equal(parents, []any{"appDataFolder"}):
		r.see("parents of a file", "the alias", rowAlias)
	default:
		r.see("parents of a file", "something else", rowAlias)
	}
	r.see("appfolder in place of appDataFolder", r.file(ctx, http.MethodGet, "appfolder", "", nil).outcome(), rowLegacy)
	r.see("a list of the folder", r.file(ctx, http.MethodGet, "", "spaces=appDataFolder", nil).outcome(), rowSpaces)
	r.see("a list without spaces", r.file(ctx, http.MethodGet, "", "", nil).outcome(), rowSpaces)
	r.see("a list of the user's own files", r.file(ctx, http.MethodGet, "", "spaces=drive", nil).outcome(), rowScope)
	elsewhere := r.file(ctx, http.MethodPost, "", "", map[string]any{"name": "livecheck"})
	r.see("a new file without parents", elsewhere.outcome(), rowParents)
	if elsewhere.text("id") != "" { // in My Drive, where deleteFiles does not look
		r.change(ctx, http.MethodDelete, elsewhere.text("id"), nil)
	}
	content, err := r.document(ctx, "a document")
	if err != nil {
		r.fail(err)
	}
	r.see("package drive reads what it has written", yes(content == "a document"), rowScope)
}

// document writes, reads and deletes by package drive, and returns what it has read.
func (r *run) document(ctx context.Context, content string) (string, error) {
	f, err := drive.New(drive.Config{
		HTTPClient: &http.Client{Transport: &oauth2.Transport{
			Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: r.access}), Base: r.tap,
		}},
		Retry: drive.Retry{Total: -1},
	})
	if err != nil {
		return "", err
	}
	const name = "livecheck document"
	file, err := f.Put(ctx, name, strings.NewReader(content), drive.PutOptions{})
	if err != nil {
		return "", err
	}
	r.secrets = append(r.secrets, file.ID, file.Revision)
	reader, err := f.OpenFile(ctx, file)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	b, err := io.ReadAll(reader)
	if err != nil {
		return "", err
	}
	return string(b), f.Delete(ctx, name)
}

// until asks until something is so, for a minute at most, and returns how long it took.
func (r *run) until(ctx context.Context, is func() bool) string {
	if is() {
		return "at once"
	}
	for i := 0; i < 20 && r.err == nil; i++ {
		r.pause(ctx, 3*time.Second)
		if is() {
			return "within a minute"
		}
	}
	return "not within a minute"
}

func (r *run) lateSearch(ctx context.Context) {
	id := r.newFile(ctx, "livecheck early")
	look := func(name, q string, want bool) {
		took := r.until(ctx, func() bool { return slices.Contains(r.search(ctx, q), id) == want })
		r.glimpse(name, took, rowLate)
	}
	look("a list of the folder shows a new file", "", true)
	ids := r.search(ctx, "")
	slices.Sort(ids)
	r.glimpse("a list shows a file once", yes(len(slices.Compact(slices.Clone(ids))) == len(ids)), rowLate)
	look("a search by name finds a new file", named("livecheck early"), true)
	r.change(ctx, http.MethodPatch, id, map[string]any{"name": "livecheck late"})
	look("a search by the new name finds it", named("livecheck late"), true)
	look("a search by the old name does not", named("livecheck early"), false)
	r.change(ctx, http.MethodDelete, id, nil)
	look("a search by name does not find a deleted file", named("livecheck late"), false)
}

func (r *run) fileNames(ctx context.Context) {
	const quoted = `livecheck's \ name`
	first, second := r.newFile(ctx, quoted), r.newFile(ctx, quoted)
	r.see("two files have one name", yes(first != second), rowEqual)
	r.until(ctx, func() bool { return len(r.search(ctx, named(quoted))) >= 2 }) // lateSearch is about how late it is
	for _, c := range []struct{ name, q string }{
		{"a search by a quoted name", named(quoted)},
		{"a search by a prefix", `name contains 'livecheck\''`},
		{"a search by the middle", `name contains 'check\'s'`},
		{"a search in capitals", `name = 'LIVECHECK\'S \\ NAME'`},
	} {
		ids := r.search(ctx, c.q)
		r.see(c.name+" finds them", yes(slices.Contains(ids, first) && slices.Contains(ids, second)), rowPrefix)
	}
}

func (r *run) rename(ctx context.Context) {
	id := r.newFile(ctx, "livecheck before")
	const fields = "fields=name,modifiedTime,version,headRevisionId"
	before := r.file(ctx, http.MethodGet, id, fields, nil)
	r.pause(ctx, 2*time.Second)
	r.change(ctx, http.MethodPatch, id, map[string]any{"name": "livecheck after"})
	after := r.file(ctx, http.MethodGet, id, fields, nil)
	for _, name := range []string{"name", "modifiedTime", "version", "headRevisionId"} {
		r.see("it changes "+name, yes(before.text(name) != after.text(name)), rowRename)
	}
}

func (r *run) etags(ctx context.Context) {
	id := r.newFile(ctx, "livecheck")
	r.see("ETag of a file", present(r.file(ctx, http.MethodGet, id, "", nil).header.Get("ETag") != ""), rowETag)
	header := bearer(r.access)
	header.Set("If-Match", `"livecheck"`)
	header.Set("Content-Type", "application/json; charset=UTF-8")
	a := r.send(ctx, http.MethodPatch, filesURL+"/"+url.PathEscape(id), header, `{"name":"livecheck 2"}`)
	r.see("an update with another If-Match", a.outcome(), rowETag)
}

func (r *run) fileIDs(ctx context.Context) {
	a := r.file(ctx, http.MethodGet, "generateIds", "space=appDataFolder&count=1", nil)
	var given struct{ IDs []string }
	if json.Unmarshal(a.body, &given) != nil || len(given.IDs) != 1 {
		r.fail(errors.New("no ID was given out: " + a.outcome()))
		return
	}
	r.secrets = append(r.secrets, given.IDs[0])
	for _, c := range []struct{ name, id string }{
		{"a new file with it", given.IDs[0]},
		{"a second one", given.IDs[0]},
		{"a new file with an ID of one's own", "livecheck-" + strings.Repeat("x", 23)},
	} {
		r.see(c.name, r.create(ctx, map[string]any{"name": "livecheck", "id": c.id}).outcome(), rowID)
	}
}

func (r *run) folderLimits(ctx context.Context) {
	id := r.newFile(ctx, "livecheck")
	trash := r.file(ctx, http.MethodPatch, id, "", map[string]any{"trashed": true})
	r.see("to trash a file", trash.outcome(), rowMoved)
	share := r.file(ctx, http.MethodPost, id+"/permissions", "", map[string]any{"type": "anyone", "role": "reader"})
	r.see("to share a file", share.outcome(), rowMoved)
	move := r.file(ctx, http.MethodPatch, id, "addParents=root", map[string]any{})
	r.see("to move a file out", move.outcome(), rowMoved)
}

func (r *run) properties(ctx context.Context) {
	for _, c := range []struct {
		name      string
		n, length int
	}{
		{"30 properties of 124 bytes", 30, 124},
		{"31 properties", 31, 10},
		{"a property of 125 bytes", 1, 125},
	} {
		all := map[string]string{}
		for i := range c.n {
			key := fmt.Sprintf("k%02d", i)
			all[key] = strings.Repeat("v", c.length-len(key))
		}
		a := r.create(ctx, map[string]any{"name": "livecheck", "appProperties": all})
		r.see(c.name, a.outcome(), rowLimits)
	}
}

func (r *run) uploads(ctx context.Context) {
	header := bearer(r.access)
	header.Set("Content-Type", "multipart/related; boundary=livecheck")
	large := "--livecheck\r\nContent-Type: application/json\r\n\r\n" + `{"name":"livecheck","parents":["appDataFolder"]}` +
		"\r\n--livecheck\r\nContent-Type: application/octet-stream\r\n\r\n" +
		strings.Repeat("x", 5<<20+1) + "\r\n--livecheck--\r\n"
	a := r.send(ctx, http.MethodPost, uploadURL+"?uploadType=multipart", header, large)
	r.see("more than 5 MiB in one request", a.outcome(), rowLarge)
	r.session(ctx, "by PUT: ", http.MethodPut)
	r.session(ctx, "by POST: ", http.MethodPost)
}

// session uploads two chunks, and asks between them how far it is.
func (r *run) session(ctx context.Context, name, method string) {
	header := bearer(r.access)
	header.Set("Content-Type", "application/json; charset=UTF-8")
	a := r.send(ctx, http.MethodPost, uploadURL+"?uploadType=resumable", header, `{"name":"livecheck","parents":["appDataFolder"]}`)
	address := a.header.Get("Location")
	if address == "" {
		r.fail(errors.New("no upload began: " + a.outcome()))
	}
	r.secrets = append(r.secrets, address)
	const unit = 256 << 10 // of chunks
	for _, c := range []struct {
		name, span string
		size       int
	}{
		{"a part of a chunk", fmt.Sprintf("bytes 0-99/%d", unit+10), 100},
		{"a chunk", fmt.Sprintf("bytes 0-%d/%d", unit-1, unit+10), unit},
		{"how far it is", fmt.Sprintf("bytes */%d", unit+10), 0},
		{"the last chunk", fmt.Sprintf("bytes %d-%d/%d", unit, unit+9, unit+10), 10},
	} {
		header := http.Header{"Content-Range": {c.span}}
		if method == http.MethodPost {
			header.Set("X-GUploader-No-308", "yes")
		}
		a := r.send(ctx, method, address, header, strings.Repeat("x", c.size))
		r.secrets = append(r.secrets, a.text("id"))
		value := a.outcome()
		if s := a.header.Get("X-HTTP-Status-Code-Override"); s != "" {
			value += ", in place of " + either(s, "308")
		}
		if s := a.header.Get("Range"); s != "" {
			value += ", with " + either(s, fmt.Sprintf("bytes=0-%d", unit-1))
		}
		r.see(name+c.name, value, rowChunks)
	}
}
