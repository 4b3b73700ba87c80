package tokenstore

import (
	"context"
	"errors"
	"iter"
	"strings"
)

// Subjects yields the subjects of all kept grants of the client, in their order,
// those that need consent included: for jobs that work for every user. after is
// the last subject that an earlier iteration yielded; if empty, Subjects begins
// with the first.
//
// An error is the Store's, or says that ctx has ended. It is yielded beside the
// empty subject, and is the last. If the Store is no [Lister], it is
// [errors.ErrUnsupported].
func (m *Manager) Subjects(ctx context.Context, after string) iter.Seq2[string, error] {
	after = strings.Clone(after)
	return func(yield func(string, error) bool) {
		lister, ok := m.store.(Lister)
		if !ok {
			yield("", &failure{"listing subjects", errors.ErrUnsupported})
			return
		}
		for key, err := range lister.Keys(ctx, m.key(after)) {
			if err != nil {
				yield("", &unavailable{failure{"listing subjects", err}})
				return
			}
			if key.ClientID != m.clientID || !yield(key.Subject, nil) {
				return
			}
		}
	}
}
