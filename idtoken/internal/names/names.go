// Package names checks the client IDs and domains of a configuration.
package names

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Check returns an error if one of names is empty, or has white space, a quote or a
// control character. No client ID and no domain has those: they come from how it was
// copied or set, in a shell or an environment file.
func Check(names []string) error {
	for _, name := range names {
		if name == "" {
			return errors.New("an empty name")
		}
		if strings.ContainsFunc(name, neverInName) {
			return fmt.Errorf("%q has white space, a quote or a control character", name)
		}
	}
	return nil
}

func neverInName(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("\"'`", r)
}
