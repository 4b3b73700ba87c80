//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package dirstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	key := tokenstore.Key{ClientID: "my-client.apps.googleusercontent.com", Subject: "110169484474386276334"}
	store, err := dirstore.Open(filepath.Join(dir, "grants"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//the-user's", Scopes: []string{"openid"}}); err != nil {
		log.Fatal(err)
	}

	// Another process, or this one after a restart.
	store, err = dirstore.Open(filepath.Join(dir, "grants"))
	if err != nil {
		log.Fatal(err)
	}
	g, err := store.Load(ctx, key)
	fmt.Println(g.State, g.Scopes, err)
	// Output: active [openid] <nil>
}
