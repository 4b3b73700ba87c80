package tokenstoretest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

// The database does what it was asked, and the connection breaks before it can
// say so.
func ExampleFaulty() {
	ctx := context.Background()
	key := tokenstore.Key{ClientID: "my-client.apps.googleusercontent.com", Subject: "110169484474386276334"}
	store := &tokenstoretest.Faulty{
		Store: new(tokenstore.Memory),
		Fault: func(c tokenstoretest.Call) tokenstoretest.Fault {
			if c.Method == "Save" && c.N == 1 {
				return tokenstoretest.Fault{Err: errors.New("connection reset by peer"), Lost: true}
			}
			return tokenstoretest.Fault{}
		},
	}

	_, err := store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"})
	fmt.Println(err)

	_, err = store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"})
	fmt.Println(errors.Is(err, tokenstore.ErrConflict))
	// Output:
	// connection reset by peer
	// true
}
