package window_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/operator"
)

// total uses the states of the key while it ranges over the records of the window.
type total struct{ ofKey *state.Value[int] }

func (p *total) GlobalState() []state.Descriptor { return []state.Descriptor{p.ofKey} }

func (p *total) Process(ctx *window.Context[string, string], records iter.Seq[word]) error {
	var text strings.Builder
	for r := range records {
		n, _ := p.ofKey.Get(ctx.GlobalState())
		p.ofKey.Set(ctx.GlobalState(), n+1)
		text.WriteString(r.Text)
	}
	n, _ := p.ofKey.Get(ctx.GlobalState())
	ctx.Emit(fmt.Sprint(text.String(), " ", n))
	return nil
}

// TestStatesMayBeUsedWithinTheLoopOverRecords: also when memory is so short that the records go to disk meanwhile.
func TestStatesMayBeUsedWithinTheLoopOverRecords(t *testing.T) {
	for _, budget := range []int64{1, 2 << 10, 1 << 20} {
		t.Run(fmt.Sprint(budget), func(t *testing.T) {
			s := &script{t: t, disk: true}
			disk := limited{new(window.Memory), keyed.NewCacheBudget(budget)}
			s.driven = operate(t, disk, []any{operator.Node[string](&s.out)}, func(env *stream.Env) {
				out := window.Process(stream.KeyBy(input[word](env, "words"), word.key), window.Tumbling(100*time.Millisecond),
					&total{state.NewValue[int]("total")})
				stream.To(out.UID("it"), nowhere)
			})
			s.in = s.Inputs[0].(operator.Node[word])
			s.send("a1 x/p1 b2 c3 x/q2 d4 w99").want("abcd 4 @99", "pq 2 @99")
			s.send("e101 w199").want("e 5 @199")
		})
	}
}

// limited is a disk with little memory above it.
type limited struct {
	keyed.KeyValue
	budget *keyed.CacheBudget
}

// CacheBudget implements keyed.Budgeted.
func (l limited) CacheBudget() *keyed.CacheBudget { return l.budget }
