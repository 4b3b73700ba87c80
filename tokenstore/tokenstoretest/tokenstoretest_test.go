package tokenstoretest_test

import (
	"testing"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tokenstoretest.Run(t, func(*testing.T) tokenstore.Store { return new(tokenstore.Memory) })
}

func TestReopen(t *testing.T) {
	var m tokenstore.Memory
	tokenstoretest.Reopen(t, func(*testing.T) tokenstore.Store { return &m })
}
