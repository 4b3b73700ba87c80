//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package tokenstore

import (
	"errors"
	"os"
	"syscall"
)

// tryFlock reports whether f is now locked; false without an error means that
// somebody else has locked it.
func tryFlock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
