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
func (r *run) file(ctx context.Context, method, id, query string, meta map[string]any) (*answer, error) {
	if r.access == "" {
		return nil, errNoSignIn
	}
	address, header, body := filesURL, bearer(r.access), ""
	if id != "" {
		address += "/" + url.PathEscape(id)
	}
	if query != "" {
		address += "?" + query
	}
	if meta != nil {
		b, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		header.Set("Content-Type", "application/json; charset=UTF-8")
		body = string(b)
	}
	return r.send(ctx, method, address, header, body)
}

// create makes a file in the folder. The name of each file begins with livecheck, for
// deleteFiles.
func (r *run) create(ctx context.Context, meta map[string]any) (*answer, error) {
	meta["parents"] = []string{"appDataFolder"}
	a, err := r.file(ctx, http.MethodPost, "", "", meta)
	if err == nil {
		r.secrets = append(r.secrets, a.text("id"))
	}
	return a, err
}

// newFile creates a file of a name, and returns its ID.
func (r *run) newFile(ctx context.Context, name string) (string, error) {
	a, err := r.create(ctx, map[string]any{"name": name})
	if err != nil {
		return "", err
	}
	if a.text("id") == "" {
		return "", errors.New("no file was created: " + a.outcome())
	}
	return a.text("id"), nil
}

// deleteFiles deletes all that the steps have created.
func (r *run) deleteFiles(ctx context.Context) error {
	ids, err := r.search(ctx, "")
	if err != nil {
		return err
	}
	for _, id := range ids {
		a, err := r.file(ctx, http.MethodDelete, id, "", nil)
		if err != nil {
			return err
		}
		if a.status >= 300 && a.status != http.StatusNotFound {
			return errors.New("a file was not deleted: " + a.outcome())
		}
	}
	return nil
}

// search returns the IDs of this program's files that files.list finds in the folder;
// all of them for an empty q.
func (r *run) search(ctx context.Context, q string) ([]string, error) {
	query := url.Values{"spaces": {"appDataFolder"}, "fields": {"files(id,name)"}, "pageSize": {"1000"}}
	if q != "" {
		query.Set("q", q)
	}
	a, err := r.file(ctx, http.MethodGet, "", query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	var found struct{ Files []struct{ ID, Name string } }
	if a.status != http.StatusOK || json.Unmarshal(a.body, &found) != nil {
		return nil, errors.New("the search failed: " + a.outcome())
	}
	var ids []string
	for _, f := range found.Files {
		if strings.HasPrefix(f.Name, "livecheck") {
			ids = append(ids, f.ID)
		}
	}
	return ids, nil
}

func named(name string) string {
	return "name = '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'"
}

func (r *run) folder(ctx context.Context) error {
	made, err := r.create(ctx, map[string]any{"name": "livecheck"})
	if err != nil {
		return err
	}
	id := made.text("id")
	if id == "" {
		return errors.New("no file was created: " + made.outcome())
	}
	r.see("members of a new file", made.members(), rowFew)
	a, err := r.file(ctx, http.MethodGet, id, "", nil)
	if err != nil {
		return err
	}
	r.see("members of files.get", a.members(), rowFew)
	self, err := r.file(ctx, http.MethodGet, "appDataFolder", "", nil)
	if err != nil {
		return err
	}
	r.see("the folder itself", self.outcome(), rowScope)
	if a, err = r.file(ctx, http.MethodGet, id, "fields=parents", nil); err != nil {
		return err
	}
	var of struct{ Parents []string }
	json.Unmarshal(a.body, &of)
	parent := "something else"
	switch {
	case slices.Equal(of.Parents, []string{self.text("id")}):
		parent = "the folder's ID"
	case slices.Equal(of.Parents, []string{"appDataFolder"}):
		parent = "the alias"
	}
	r.see("parents of a file", parent, rowAlias)
	if a, err = r.file(ctx, http.MethodGet, "appfolder", "", nil); err != nil {
		return err
	}
	r.see("appfolder in place of appDataFolder", a.outcome(), rowLegacy)
	for _, c := range []struct{ name, query, row string }{
		{"a list of the folder", "spaces=appDataFolder", rowSpaces},
		{"a list without spaces", "", rowSpaces},
		{"a list of the user's own files", "spaces=drive", rowScope},
	} {
		if a, err = r.file(ctx, http.MethodGet, "", c.query, nil); err != nil {
			return err
		}
		r.see(c.name, a.outcome(), c.row)
	}
	if a, err = r.file(ctx, http.MethodPost, "", "", map[string]any{"name": "livecheck"}); err != nil {
		return err
	}
	r.see("a new file without parents", a.outcome(), rowParents)
	if elsewhere := a.text("id"); elsewhere != "" { // in My Drive, where deleteFiles does not look
		if _, err := r.file(ctx, http.MethodDelete, elsewhere, "", nil); err != nil {
			return err
		}
	}
	return r.document(ctx)
}

// document does what a user of package drive does.
func (r *run) document(ctx context.Context) error {
	f, err := drive.New(drive.Config{
		HTTPClient: &http.Client{Transport: &oauth2.Transport{
			Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: r.access}), Base: r.tap,
		}},
		Retry: drive.Retry{Total: -1},
	})
	if err != nil {
		return err
	}
	const name, content = "livecheck document", "a document"
	file, err := f.Put(ctx, name, strings.NewReader(content), drive.PutOptions{})
	if err != nil {
		return err
	}
	r.secrets = append(r.secrets, file.ID, file.Revision)
	reader, err := f.OpenFile(ctx, file)
	if err != nil {
		return err
	}
	defer reader.Close()
	b, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	r.see("package drive reads what it has written", yes(string(b) == content), rowScope)
	return f.Delete(ctx, name)
}

// until asks until something is so, for a minute at most, and returns how long it took.
func (r *run) until(ctx context.Context, is func() (bool, error)) (string, error) {
	ok, err := is()
	if ok || err != nil {
		return "at once", err
	}
	for range 20 {
		if err := r.google.pause(ctx, 3*time.Second); err != nil {
			return "", err
		}
		if ok, err := is(); ok || err != nil {
			return "within a minute", err
		}
	}
	return "not within a minute", nil
}

func (r *run) lateSearch(ctx context.Context) error {
	id, err := r.newFile(ctx, "livecheck early")
	if err != nil {
		return err
	}
	look := func(name, q string, want bool) error {
		took, err := r.until(ctx, func() (bool, error) {
			ids, err := r.search(ctx, q)
			return slices.Contains(ids, id) == want, err
		})
		if err == nil {
			r.glimpse(name, took, rowLate)
		}
		return err
	}
	change := func(method string, meta map[string]any) error {
		a, err := r.file(ctx, method, id, "", meta)
		if err == nil && a.status >= 300 {
			err = errors.New("a change was refused: " + a.outcome())
		}
		return err
	}
	once := func() error {
		ids, err := r.search(ctx, "")
		slices.Sort(ids)
		r.glimpse("a list shows a file once", yes(len(slices.Compact(slices.Clone(ids))) == len(ids)), rowLate)
		return err
	}
	for _, do := range []func() error{
		func() error { return look("a list of the folder shows a new file", "", true) },
		once,
		func() error { return look("a search by name finds a new file", named("livecheck early"), true) },
		func() error { return change(http.MethodPatch, map[string]any{"name": "livecheck late"}) },
		func() error { return look("a search by the new name finds it", named("livecheck late"), true) },
		func() error { return look("a search by the old name does not", named("livecheck early"), false) },
		func() error { return change(http.MethodDelete, nil) },
		func() error {
			return look("a search by name does not find a deleted file", named("livecheck late"), false)
		},
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) fileNames(ctx context.Context) error {
	const quoted = `livecheck's \ name`
	first, err := r.newFile(ctx, quoted)
	if err != nil {
		return err
	}
	second, err := r.newFile(ctx, quoted)
	if err != nil {
		return err
	}
	r.see("two files have one name", yes(first != second), rowEqual)
	if _, err := r.until(ctx, func() (bool, error) { // lateSearch is about how late it is
		ids, err := r.search(ctx, named(quoted))
		return len(ids) >= 2, err
	}); err != nil {
		return err
	}
	for _, c := range []struct{ name, q string }{
		{"a search by a quoted name", named(quoted)},
		{"a search by a prefix", `name contains 'livecheck\''`},
		{"a search by the middle", `name contains 'check\'s'`},
		{"a search in capitals", `name = 'LIVECHECK\'S \\ NAME'`},
	} {
		ids, err := r.search(ctx, c.q)
		if err != nil {
			return err
		}
		r.see(c.name+" finds them", yes(slices.Contains(ids, first) && slices.Contains(ids, second)), rowPrefix)
	}
	return nil
}

func (r *run) rename(ctx context.Context) error {
	id, err := r.newFile(ctx, "livecheck before")
	if err != nil {
		return err
	}
	const fields = "fields=name,modifiedTime,version,headRevisionId"
	before, err := r.file(ctx, http.MethodGet, id, fields, nil)
	if err != nil {
		return err
	}
	if err := r.google.pause(ctx, 2*time.Second); err != nil {
		return err
	}
	if a, err := r.file(ctx, http.MethodPatch, id, "", map[string]any{"name": "livecheck after"}); err != nil || a.status >= 300 {
		return errors.Join(err, errors.New("the rename was refused"))
	}
	after, err := r.file(ctx, http.MethodGet, id, fields, nil)
	if err != nil {
		return err
	}
	for _, name := range []string{"name", "modifiedTime", "version", "headRevisionId"} {
		r.see("it changes "+name, yes(before.text(name) != after.text(name)), rowRename)
	}
	return nil
}

func (r *run) etags(ctx context.Context) error {
	id, err := r.newFile(ctx, "livecheck")
	if err != nil {
		return err
	}
	a, err := r.file(ctx, http.MethodGet, id, "", nil)
	if err != nil {
		return err
	}
	r.see("ETag of a file", present(a.header.Get("ETag") != ""), rowETag)
	header := bearer(r.access)
	header.Set("If-Match", `"livecheck"`)
	header.Set("Content-Type", "application/json; charset=UTF-8")
	if a, err = r.send(ctx, http.MethodPatch, filesURL+"/"+url.PathEscape(id), header, `{"name":"livecheck 2"}`); err != nil {
		return err
	}
	r.see("an update with another If-Match", a.outcome(), rowETag)
	return nil
}

func (r *run) fileIDs(ctx context.Context) error {
	a, err := r.file(ctx, http.MethodGet, "generateIds", "space=appDataFolder&count=1", nil)
	if err != nil {
		return err
	}
	var given struct{ IDs []string }
	if json.Unmarshal(a.body, &given) != nil || len(given.IDs) != 1 {
		return errors.New("no ID was given out: " + a.outcome())
	}
	r.secrets = append(r.secrets, given.IDs[0])
	for _, c := range []struct{ name, id string }{
		{"a new file with it", given.IDs[0]},
		{"a second one", given.IDs[0]},
		{"a new file with an ID of one's own", "livecheck-" + strings.Repeat("x", 23)},
	} {
		if a, err = r.create(ctx, map[string]any{"name": "livecheck", "id": c.id}); err != nil {
			return err
		}
		r.see(c.name, a.outcome(), rowID)
	}
	return nil
}

func (r *run) folderLimits(ctx context.Context) error {
	id, err := r.newFile(ctx, "livecheck")
	if err != nil {
		return err
	}
	a, err := r.file(ctx, http.MethodPatch, id, "", map[string]any{"trashed": true})
	if err != nil {
		return err
	}
	r.see("to trash a file", a.outcome(), rowMoved)
	header := bearer(r.access)
	header.Set("Content-Type", "application/json; charset=UTF-8")
	a, err = r.send(ctx, http.MethodPost, filesURL+"/"+url.PathEscape(id)+"/permissions", header, `{"type":"anyone","role":"reader"}`)
	if err != nil {
		return err
	}
	r.see("to share a file", a.outcome(), rowMoved)
	if a, err = r.file(ctx, http.MethodPatch, id, "addParents=root", map[string]any{}); err != nil {
		return err
	}
	r.see("to move a file out", a.outcome(), rowMoved)
	return nil
}

func (r *run) properties(ctx context.Context) error {
	properties := func(n, length int) map[string]any {
		all := map[string]string{}
		for i := range n {
			key := fmt.Sprintf("k%02d", i)
			all[key] = strings.Repeat("v", length-len(key))
		}
		return map[string]any{"name": "livecheck", "appProperties": all}
	}
	for _, c := range []struct {
		name      string
		n, length int
	}{
		{"30 properties of 124 bytes", 30, 124},
		{"31 properties", 31, 10},
		{"a property of 125 bytes", 1, 125},
	} {
		a, err := r.create(ctx, properties(c.n, c.length))
		if err != nil {
			return err
		}
		r.see(c.name, a.outcome(), rowLimits)
	}
	return nil
}

const unit = 256 << 10 // of chunks

func (r *run) uploads(ctx context.Context) error {
	if r.access == "" {
		return errNoSignIn
	}
	header := bearer(r.access)
	header.Set("Content-Type", "multipart/related; boundary=livecheck")
	const meta = "--livecheck\r\nContent-Type: application/json\r\n\r\n" + `{"name":"livecheck","parents":["appDataFolder"]}` +
		"\r\n--livecheck\r\nContent-Type: application/octet-stream\r\n\r\n"
	large := meta + strings.Repeat("x", 5<<20+1) + "\r\n--livecheck--\r\n"
	a, err := r.send(ctx, http.MethodPost, uploadURL+"?uploadType=multipart", header, large)
	if err != nil {
		return err
	}
	r.see("more than 5 MiB in one request", a.outcome(), rowLarge)
	for _, post := range []bool{false, true} {
		if err := r.session(ctx, post); err != nil {
			return err
		}
	}
	return nil
}

// session uploads two chunks, and asks between them how far it is.
func (r *run) session(ctx context.Context, post bool) error {
	header := bearer(r.access)
	header.Set("Content-Type", "application/json; charset=UTF-8")
	a, err := r.send(ctx, http.MethodPost, uploadURL+"?uploadType=resumable", header, `{"name":"livecheck","parents":["appDataFolder"]}`)
	if err != nil {
		return err
	}
	address := a.header.Get("Location")
	r.secrets = append(r.secrets, address)
	if address == "" {
		return errors.New("no upload began: " + a.outcome())
	}
	name, method := "by PUT: ", http.MethodPut
	if post {
		name, method = "by POST: ", http.MethodPost
	}
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
		if post {
			header.Set("X-GUploader-No-308", "yes")
		}
		if a, err = r.send(ctx, method, address, header, strings.Repeat("x", c.size)); err != nil {
			return err
		}
		value := a.outcome()
		if s := a.header.Get("X-HTTP-Status-Code-Override"); s != "" {
			value += ", in place of " + either(s, "308")
		}
		if s := a.header.Get("Range"); s != "" {
			value += ", with " + either(s, fmt.Sprintf("bytes=0-%d", unit-1))
		}
		r.see(name+c.name, value, rowChunks)
	}
	return nil
}
