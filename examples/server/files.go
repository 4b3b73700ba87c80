package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

const (
	uploadTime   = 15 * time.Minute
	settingsName = "settings.json"
	filesPrefix  = "files/" // of the names of the user's own files
)

// settings are the choices of a user, kept as one document in Drive.
type settings struct {
	Greeting  string `json:"greeting"`
	WeekStart string `json:"week_start"`
}

// folders keeps the folder of each user, which remembers what it has written: Drive's
// lists show it late.
type folders struct {
	make func(subject string) (*drive.AppFolder, error)
	mu   sync.Mutex
	kept map[string]*drive.AppFolder
}

func newFolders(grants *tokenstore.Manager, endpoint string, observe func(drive.Request)) *folders {
	return &folders{kept: make(map[string]*drive.AppFolder), make: func(subject string) (*drive.AppFolder, error) {
		return drive.New(drive.Config{
			HTTPClient: grants.HTTPClient(subject), Endpoint: endpoint, Observe: observe,
			ChunkSize: 1 << 20, // of an upload, this much is in memory
		})
	}}
}

// of returns the folder of a user. It fails for one who is being deleted: nothing may be
// put into that folder any more.
func (f *folders) of(u user) (*drive.AppFolder, error) {
	if u.Deleting {
		return nil, errDeleting
	}
	return f.ofSubject(u.Subject)
}

func (f *folders) ofSubject(subject string) (*drive.AppFolder, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if folder, ok := f.kept[subject]; ok {
		return folder, nil
	}
	if len(f.kept) >= 10_000 { // each can be made again
		clear(f.kept)
	}
	folder, err := f.make(subject)
	if err == nil {
		f.kept[subject] = folder
	}
	return folder, err
}

func (f *folders) forget(subject string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.kept, subject)
}

// A filesPage is the data of the page about settings and files.
type filesPage struct {
	Connected bool
	Settings  settings
	Revision  string // of the settings that are shown
	Conflict  bool   // they were changed elsewhere
	Files     []*drive.File
	Upload    string // ID of the next upload
	Max       int64  // bytes of a file
}

func (a *app) showFiles(w http.ResponseWriter, r *http.Request, u user) error {
	page, err := a.readFiles(r, u)
	if err != nil {
		return err
	}
	return a.show(w, http.StatusOK, "files.html", "Settings and files", u, page)
}

func (a *app) readFiles(r *http.Request, u user) (page filesPage, err error) {
	ctx := r.Context()
	got, err := a.accessOf(ctx, u)
	if page.Connected = got.grants(drive.Scope); err != nil || !page.Connected {
		return page, err
	}
	folder, err := a.folders.of(u)
	if err != nil {
		return page, err
	}
	var file *drive.File
	page.Settings, file, err = drive.ReadJSON[settings](ctx, folder, settingsName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		page.Settings, page.Revision = settings{Greeting: "Hello", WeekStart: "monday"}, drive.Absent
	case err != nil:
		return page, err
	default:
		page.Revision = file.Revision
	}
	for file, err := range folder.Files(ctx, drive.Query{Prefix: filesPrefix, Order: drive.NewestFirst}) {
		if err != nil {
			return page, err
		}
		shown := *file
		shown.Name = strings.TrimPrefix(file.Name, filesPrefix)
		page.Files = append(page.Files, &shown)
	}
	page.Upload, page.Max = rand.Text(), a.maxFile
	return page, nil
}

// saveSettings replaces the settings only if they are still those that the user has
// seen. If another tab or device has changed them, it shows the new ones beside the
// user's own, to be saved again.
func (a *app) saveSettings(w http.ResponseWriter, r *http.Request, u user) error {
	wanted := settings{Greeting: r.PostFormValue("greeting"), WeekStart: r.PostFormValue("week_start")}
	revision := r.PostFormValue("revision")
	if revision == "" || wanted.WeekStart != "monday" && wanted.WeekStart != "sunday" {
		return errForm
	}
	folder, err := a.folders.of(u)
	if err != nil {
		return err
	}
	_, err = drive.WriteJSON(r.Context(), folder, settingsName, wanted, drive.PutOptions{IfRevision: revision})
	if !errors.Is(err, drive.ErrConflict) {
		if err == nil {
			http.Redirect(w, r, "/files", http.StatusSeeOther)
		}
		return err
	}
	page, err := a.readFiles(r, u)
	if err != nil {
		return err
	}
	if page.Settings == wanted { // the form was sent twice
		http.Redirect(w, r, "/files", http.StatusSeeOther)
		return nil
	}
	page.Settings, page.Conflict = wanted, true
	return a.show(w, http.StatusConflict, "files.html", "Settings and files", u, page)
}

var errForm = &refusal{"the form is not one of this page", http.StatusBadRequest, ""}

// upload passes a file on to Drive as it arrives. How far it has come, the page asks for
// by other requests: an answer before the end makes some proxies drop the rest.
func (a *app) upload(w http.ResponseWriter, r *http.Request, u user) error {
	if err := takeTime(w); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, a.maxFile+1<<20) // the form has more than the file
	defer io.Copy(io.Discard, r.Body)                        // a browser that is still sending would not see why it has failed
	folder, err := a.folders.of(u)
	if err != nil {
		return err
	}
	form, err := r.MultipartReader()
	if err != nil {
		return errForm
	}
	fields := make(map[string]string)
	var file *multipart.Part
	for file == nil {
		part, err := form.NextPart()
		if err != nil {
			return errForm
		}
		switch name := part.FormName(); name {
		case "file":
			file = part
		case "upload", "size":
			value, err := io.ReadAll(io.LimitReader(part, 100))
			if err != nil {
				return errForm
			}
			fields[name] = string(value)
		default:
			return errForm
		}
	}
	name := path.Base(strings.ReplaceAll(file.FileName(), `\`, "/"))
	size, err := strconv.ParseInt(cmp.Or(fields["size"], "0"), 10, 64) // the script says it; without one it is not known
	if err != nil || size < 0 || name == "." || name == "/" {
		return errForm
	}
	id := u.Subject + " " + fields["upload"]
	defer a.uploads.Delete(id)
	_, err = folder.Put(r.Context(), filesPrefix+name, file, drive.PutOptions{
		Size: size, Progress: func(p drive.Progress) { a.uploads.Store(id, p.Done) },
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/files", http.StatusSeeOther)
	return nil
}

// takeTime lets a request take longer than the server's timeouts allow.
func takeTime(w http.ResponseWriter) error {
	control, until := http.NewResponseController(w), time.Now().Add(uploadTime)
	return errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(time.Minute)))
}

// uploadProgress says how many bytes of an upload Drive has. That is in this process:
// where there are several, send the requests of a user to the same one.
func (a *app) uploadProgress(w http.ResponseWriter, r *http.Request, u user) error {
	done, _ := a.uploads.Load(u.Subject + " " + r.FormValue("upload")) // none: it has not begun, or has ended
	a.writeJSON(w, r, map[string]any{"done": done})
	return nil
}

// download sends a file to be saved. A file is never shown as a page of this site: a user
// may have been tricked into uploading it.
func (a *app) download(w http.ResponseWriter, r *http.Request, u user) error {
	if err := takeTime(w); err != nil {
		return err
	}
	folder, err := a.folders.of(u)
	if err != nil {
		return err
	}
	name := r.FormValue("name")
	file, err := folder.Open(r.Context(), filesPrefix+name)
	if err != nil {
		return err
	}
	defer file.Close()
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Security-Policy", "sandbox")
	http.ServeContent(w, r, name, file.File().Modified, file)
	return nil
}

func (a *app) deleteFile(w http.ResponseWriter, r *http.Request, u user) error {
	folder, err := a.folders.of(u)
	if err != nil {
		return err
	}
	err = folder.Delete(r.Context(), filesPrefix+r.PostFormValue("name"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another tab was faster
		return err
	}
	http.Redirect(w, r, "/files", http.StatusSeeOther)
	return nil
}

func formatSize(bytes int64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1_000_000:
		return fmt.Sprintf("%.0f kB", float64(bytes)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1_000_000)
}
