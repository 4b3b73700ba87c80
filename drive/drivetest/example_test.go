package drivetest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	gdrive "google.golang.org/api/drive/v3"
	"google.golang.org/api/option"

	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
)

// Google's own client against the fake.
func Example() {
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()

	service, err := gdrive.NewService(context.Background(),
		option.WithEndpoint(srv.Endpoint()), option.WithHTTPClient(srv.Client()))
	if err != nil {
		log.Fatal(err)
	}
	file := &gdrive.File{Name: "settings.json", Parents: []string{"appDataFolder"}}
	if _, err := service.Files.Create(file).Media(strings.NewReader(`{"theme":"dark"}`)).Do(); err != nil {
		log.Fatal(err)
	}
	_, err = service.Files.List().Do() // of My Drive, which the token does not open
	fmt.Println(err)
	for _, f := range srv.Folder(drivetest.DefaultUser).Files() {
		fmt.Printf("%s: %s\n", f.Name, f.Content)
	}
	// Output:
	// googleapi: Error 403: The granted scopes do not give access to all of the requested spaces., insufficientScopes
	// settings.json: {"theme":"dark"}
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
