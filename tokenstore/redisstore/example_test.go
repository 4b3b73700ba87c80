package redisstore_test

import (
	"context"
	"fmt"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
	"github.com/seed3a054f9c/googlesignin/tokenstore/redisstore"
)

// client stands for the program's Redis client.
type client struct{}

func (client) Eval(context.Context, string, []string, []string) (any, error) { return []any{}, nil }

func Example() {
	var rdb client
	store, err := redisstore.New(redisstore.Config{Eval: rdb.Eval, Prefix: "myapp:grants:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Load(context.Background(), tokenstore.Key{
		ClientID: "my-client.apps.googleusercontent.com",
		Subject:  "110169484474386276334",
	})
	fmt.Println(err)
	// Output: redisstore: loading a grant: no grant is kept
}

// The grants stay in a SQL database; Redis has the leases only, and may forget
// them.
func Example_leases() {
	config := func(ctx context.Context, rows tokenstore.Store, google tokenstore.Refresher, eval redisstore.Eval) (tokenstore.Config, error) {
		leases, err := redisstore.New(redisstore.Config{Eval: eval})
		return tokenstore.Config{
			ClientID:          "my-client.apps.googleusercontent.com",
			Store:             rows,
			Leaser:            leases,
			ShareAccessTokens: true,
			Refresher:         google,
		}, err
	}
	_ = config
}
