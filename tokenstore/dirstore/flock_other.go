//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package dirstore

import (
	"errors"
	"os"
)

const haveFlock = false

func tryFlock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
