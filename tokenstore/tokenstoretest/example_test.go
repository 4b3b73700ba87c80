package tokenstoretest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/tokenstoretest"
)

// The database saves the grant, and the connection breaks before it can respond.
func ExampleFaulty() {
	ctx := context.Background()
	key := tokenstore.Key{ClientID: "my-client.apps.googleusercontent.com", Subject: "110169484474386276334"}
	store := &tokenstoretest.Faulty{Store: new(tokenstore.Memory)}
	store.Inject(tokenstoretest.Fault{Method: "Save", Err: errors.New("connection reset by peer"), Performed: true})

	_, err := store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"})
	fmt.Println(err)

	_, err = store.Save(ctx, key, tokenstore.Grant{RefreshToken: "1//refresh"})
	fmt.Println(errors.Is(err, tokenstore.ErrConflict))
	// Output:
	// connection reset by peer
	// true
}
