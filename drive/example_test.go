package drive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"strings"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// Against Google the Config has the HTTPClient of a tokenstore.Manager for the
// user, or a TokenSource, and no Endpoint.
func Example() {
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()
	ctx := context.Background()

	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := folder.Put(ctx, "notes.txt", strings.NewReader("milk, bread"), drive.PutOptions{}); err != nil {
		log.Fatal(err)
	}
	r, err := folder.Open(ctx, "notes.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	notes, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", r.File().ContentType, notes)

	err = folder.Delete(ctx, "notes.txt")
	fmt.Println("deleted:", err == nil)
	_, err = folder.Stat(ctx, "notes.txt")
	fmt.Println("gone:", errors.Is(err, fs.ErrNotExist))
	// Output:
	// text/plain: milk, bread
	// deleted: true
	// gone: true
}

func newExampleFolder() (*drive.AppFolder, *drivetest.Server) {
	srv := drivetest.NewServer(drivetest.Options{})
	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	if err != nil {
		log.Fatal(err)
	}
	return folder, srv
}

// A document is changed by reading it, and writing it back if nobody else has
// changed it meanwhile.
func ExampleWriteJSON() {
	folder, srv := newExampleFolder()
	defer srv.Close()
	ctx := context.Background()
	type Settings struct{ Theme string }

	first, err := drive.WriteJSON(ctx, folder, "settings.json", Settings{"dark"}, drive.PutOptions{IfRevision: drive.Absent})
	if err != nil {
		log.Fatal(err)
	}
	settings, file, err := drive.ReadJSON[Settings](ctx, folder, "settings.json")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(settings.Theme, file.Revision == first.Revision)

	_, err = drive.WriteJSON(ctx, folder, "settings.json", Settings{"light"}, drive.PutOptions{IfRevision: file.Revision})
	fmt.Println("written:", err == nil)
	_, err = drive.WriteJSON(ctx, folder, "settings.json", Settings{"blue"}, drive.PutOptions{IfRevision: file.Revision})
	fmt.Println("conflict:", errors.Is(err, drive.ErrConflict))
	// Output:
	// dark true
	// written: true
	// conflict: true
}

func ExampleAppFolder_Files() {
	folder, srv := newExampleFolder()
	defer srv.Close()
	ctx := context.Background()
	for _, name := range []string{"map-2.json", "map-1.json", "settings.json"} {
		if _, err := folder.Put(ctx, name, strings.NewReader("{}"), drive.PutOptions{}); err != nil {
			log.Fatal(err)
		}
	}

	for file, err := range folder.Files(ctx, drive.Query{Prefix: "map-", Order: drive.ByName}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(file.Name, file.Size)
	}
	// Output:
	// map-1.json 2
	// map-2.json 2
}

// An upload that was interrupted goes on in another process.
func ExampleUpload() {
	folder, srv := newExampleFolder()
	defer srv.Close()
	backup := bytes.Repeat([]byte("backup "), 1<<20)

	var row []byte // as it is kept in a database
	ctx, interrupt := context.WithCancel(context.Background())
	_, err := folder.Put(ctx, "backup", bytes.NewReader(backup), drive.PutOptions{
		Session:  func(u *drive.Upload) { row, _ = u.MarshalBinary() },
		Progress: func(p drive.Progress) { interrupt() },
	})
	fmt.Println("interrupted:", errors.Is(err, context.Canceled))

	var session drive.Upload
	if err := session.UnmarshalBinary(row); err != nil {
		log.Fatal(err)
	}
	fmt.Println(session)
	file, err := folder.Put(context.Background(), "backup", bytes.NewReader(backup), drive.PutOptions{Resume: &session})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.Size)
	// Output:
	// interrupted: true
	// drive.Upload{"backup": [redacted]}
	// 7340032
}

func ExampleAppFolder_FS() {
	folder, srv := newExampleFolder()
	defer srv.Close()
	ctx := context.Background()
	if _, err := folder.Put(ctx, "maps/home.json", strings.NewReader("{}"), drive.PutOptions{}); err != nil {
		log.Fatal(err)
	}

	err := fs.WalkDir(folder.FS(ctx), ".", func(path string, d fs.DirEntry, err error) error {
		fmt.Println(path)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// .
	// maps
	// maps/home.json
}
