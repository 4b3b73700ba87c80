package drivetest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

func Example() {
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()

	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := folder.Put(ctx, "settings.json", strings.NewReader(`{"theme":"dark"}`), drive.PutOptions{}); err != nil {
		log.Fatal(err)
	}
	for _, f := range srv.Folder(drivetest.DefaultUser).Files() {
		fmt.Printf("%s: %s\n", f.Name, f.Content)
	}

	res, err := srv.Client().Get(srv.Endpoint() + "files") // of My Drive, which the token does not open
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output:
	// settings.json: {"theme":"dark"}
	// 403 Forbidden
}

// A test of what a program does when Google has a bad moment.
func ExampleServer_Inject() {
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()
	srv.Inject(
		drivetest.Fault{Op: drivetest.OpGet, Status: 429, Reason: "rateLimitExceeded", Header: http.Header{"Retry-After": {"1"}}},
		drivetest.Fault{Op: drivetest.OpGet, Nth: 2, Performed: true, Cut: true, CutAt: 20},
	)
	for range 3 {
		res, err := srv.Client().Get(srv.Endpoint() + "files/appDataFolder")
		if err != nil {
			fmt.Println("no answer")
			continue
		}
		res.Body.Close()
		fmt.Println(res.StatusCode)
	}
	// Output:
	// 429
	// no answer
	// 200
}
