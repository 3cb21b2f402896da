package stream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/connectors/stdio"
)

// quote is a price or an order of a symbol at a second of the day.
type quote struct {
	Symbol string
	Price  int
	Second int64
}

func (t quote) Key() string { return t.Symbol }

func (t quote) Time() time.Time { return time.Unix(t.Second, 0) }

// quotes is a keyed stream with event time.
func quotes(env *stream.Env, of ...quote) *stream.Keyed[string, quote] {
	timed := stream.EventTime(stream.From(env, collection.Of(of...)), stream.Timestamps(quote.Time).OutOfOrder(time.Minute))
	return stream.KeyBy(timed, quote.Key)
}

func ExampleAsync() {
	// lookup stands for a service that takes its time and is busy now and then.
	lookup := func(ctx context.Context, word string) (string, error) {
		select {
		case <-time.After(time.Millisecond):
			return strings.ToUpper(word), nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	execute(func(env *stream.Env) {
		words := stream.From(env, collection.Of("to", "be", "or", "not"))
		call := stream.Call(lookup).Capacity(50).Timeout(time.Minute).Retry(stream.ExponentialRetry(3, time.Second, time.Minute))
		stream.To(stream.Async(words, call).UID("lookup"), stdio.Print)
	})
	// Output:
	// TO
	// BE
	// OR
	// NOT
}

func ExampleCallEmit() {
	execute(func(env *stream.Env) {
		ids := stream.From(env, collection.Of(2, 0, 1))
		rows := stream.CallEmit(func(_ context.Context, id int, emit func(string)) error {
			for i := range id {
				emit(fmt.Sprintf("row %d of %d", i+1, id))
			}
			return nil
		})
		stream.To(stream.Async(ids, rows), stdio.Print)
	})
	// Output:
	// row 1 of 2
	// row 2 of 2
	// row 1 of 1
}

func ExampleIntervalJoin() {
	execute(func(env *stream.Env) {
		orders := quotes(env, quote{"gold", 1, 100}, quote{"iron", 2, 100}, quote{"gold", 3, 900})
		payments := quotes(env, quote{"gold", 1, 130}, quote{"iron", 2, 800})
		paid := stream.IntervalJoin(orders, payments, stream.Between(0, 5*time.Minute), func(order, payment quote) string {
			return fmt.Sprintf("%s paid after %ds", order.Symbol, payment.Second-order.Second)
		})
		stream.To(paid, stdio.Print)
	})
	// Output: gold paid after 30s
}

func ExampleLookupAt() {
	execute(func(env *stream.Env) {
		orders := quotes(env, quote{"gold", 2, 90}, quote{"gold", 3, 110}, quote{"gold", 1, 250})
		prices := quotes(env, quote{"gold", 10, 100}, quote{"gold", 12, 200})
		priced := stream.LookupAt(orders, prices, func(order quote, price *quote) string {
			if price == nil {
				return fmt.Sprintf("at %d: no price yet", order.Second)
			}
			return fmt.Sprintf("at %d: %d for %d", order.Second, order.Price, order.Price*price.Price)
		})
		stream.To(priced, stdio.Print)
	})
	// Output:
	// at 90: no price yet
	// at 110: 3 for 30
	// at 250: 1 for 12
}

func ExampleDistinct() {
	execute(func(env *stream.Env) {
		words := stream.From(env, collection.Of("to", "be", "or", "not", "to", "be"))
		stream.To(stream.Distinct(stream.KeyBy(words, strings.ToLower)), stdio.Print)
	})
	// Output:
	// to
	// be
	// or
	// not
}

func ExampleLatest() {
	execute(func(env *stream.Env) {
		prices := quotes(env, quote{"gold", 10, 100}, quote{"iron", 3, 100}, quote{"gold", 12, 200}, quote{"gold", 11, 150})
		stream.To(stream.Latest(prices, stream.AtEnd), stdio.Print)
	})
	// Unordered output:
	// {Symbol:gold Price:12 Second:200}
	// {Symbol:iron Price:3 Second:100}
}

func ExampleTopN() {
	execute(func(env *stream.Env) {
		prices := quotes(env, quote{"gold", 10, 1}, quote{"gold", 12, 2}, quote{"gold", 11, 3}, quote{"gold", 9, 4})
		stream.To(stream.TopN(prices, 2, func(a, b *quote) bool { return a.Price > b.Price }), stdio.Print)
	})
	// Output:
	// gold #1 + {gold 10 1}
	// gold #1 + {gold 12 2}
	// gold #2 - {gold 10 1}
	// gold #2 + {gold 11 3}
}

func ExampleJoin() {
	execute(func(env *stream.Env) {
		byLength := func(w string) int { return len(w) }
		first := stream.KeyBy(stream.From(env, collection.Of("to", "not")), byLength)
		second := stream.KeyBy(stream.From(env, collection.Of("be", "or")), byLength)
		stream.To(stream.Join(first, second, func(a, b string) string { return a + " " + b }), stdio.Print)
	})
	// Unordered output:
	// to be
	// to or
}
