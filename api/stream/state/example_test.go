package state_test

import (
	"fmt"
	"time"

	"github.com/flink-go/flink-go/api/stream/state"
)

// A processor keeps handles in its fields, lists them in State and uses them with the context of the call. Here ctx
// stands for what Process is given.
func Example() {
	visits := state.NewValue[int]("visits")
	pages := state.NewMap[string, int]("pages", state.TTL(24*time.Hour, state.OnRead()))
	ctx := newSubtask(nil, visits, pages)

	for _, click := range []struct {
		user int
		page string
	}{{1, "/"}, {2, "/"}, {1, "/cart"}, {1, "/"}} {
		ctx.key(click.user) // the runtime does that
		n, _ := visits.Ref(ctx)
		*n++
		seen, _ := pages.Get(ctx, click.page)
		pages.Put(ctx, click.page, seen+1)
		fmt.Printf("user %d: visit %d, number %d of %s\n", click.user, *n, seen+1, click.page)
	}
	// Output:
	// user 1: visit 1, number 1 of /
	// user 2: visit 1, number 1 of /
	// user 1: visit 2, number 1 of /cart
	// user 1: visit 3, number 2 of /
}
