//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package tokenstore

import (
	"errors"
	"fmt"
	"os"
)

func tryFlock(*os.File) (bool, error) {
	return false, fmt.Errorf("advisory file locks: %w", errors.ErrUnsupported)
}
