// Package redact holds what the types that carry secrets have in common: how a
// secret looks when somebody prints it.
package redact

// Secret stands for a secret in a text: it tells whether there is one.
func Secret[T ~string | ~[]byte](s T) string {
	if len(s) == 0 {
		return "none"
	}
	return "[redacted]"
}
