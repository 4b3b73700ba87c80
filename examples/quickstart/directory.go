//go:build !sqlite && !windows

package main

import (
	"context"

	"github.com/seed3a054f9c/googlesignin/tokenstore/dirstore"
)

const storeName = "grants"

// directory is a directory of grants. There is nothing to close.
type directory struct{ *dirstore.Store }

func (directory) Close() error { return nil }

func openStore(_ context.Context, path string) (store, error) {
	files, err := dirstore.Open(path)
	if err != nil {
		return nil, err
	}
	return directory{files}, nil
}
