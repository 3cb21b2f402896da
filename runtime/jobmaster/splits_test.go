package jobmaster

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	pb "github.com/flink-go/flink-go/rpc/proto"
)

// TestSplitLaws: each split is with at most one subtask at any time; when discovery is complete and all subtasks have
// heard that there is no more, every split is with exactly one.
func TestSplitLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 4).Draw(t, "parallelism")
		total := rapid.IntRange(0, 12).Draw(t, "splits")
		var all []*pb.Split
		for i := range total {
			all = append(all, &pb.Split{Id: fmt.Sprint(i)})
		}
		a := newSplitAssigner(p)
		holder := map[string]int{} // who has a split
		over := make([]bool, p)    // who was told that there is no more
		asked := make([]bool, p)
		apply := func(out []assignment) {
			for _, x := range out {
				if !asked[x.subtask] {
					t.Fatalf("subtask %d is answered and has not asked", x.subtask)
				}
				asked[x.subtask] = false
				if x.event.GetNoMore() != nil {
					over[x.subtask] = true
					continue
				}
				for _, s := range x.event.GetAssigned().GetSplits() {
					if h, ok := holder[s.GetId()]; ok {
						t.Fatalf("split %s goes to %d, but %d has it", s.GetId(), x.subtask, h)
					}
					holder[s.GetId()] = x.subtask
				}
			}
		}
		discover := func(upTo int, complete bool) { apply(a.discover(all[:upTo], complete)) }
		reset := func(subtasks []int) {
			for _, s := range subtasks {
				over[s], asked[s] = false, false
				for id, h := range holder {
					if h == s {
						delete(holder, id)
					}
				}
			}
			apply(a.reset(subtasks))
		}
		request := func(s int) {
			if !over[s] {
				asked[s] = true
				apply(a.request(s))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"request":  func(t *rapid.T) { request(rapid.IntRange(0, p-1).Draw(t, "subtask")) },
			"discover": func(t *rapid.T) { discover(rapid.IntRange(0, total).Draw(t, "up to"), false) },
			"complete": func(*rapid.T) { discover(total, true) },
			"restart": func(t *rapid.T) {
				reset(rapid.SliceOfNDistinct(rapid.IntRange(0, p-1), 1, p, rapid.ID[int]).Draw(t, "subtasks"))
			},
		})
		discover(total, true)
		for range total + 1 {
			for s := range p {
				request(s)
			}
		}
		if len(holder) != total || slices.Contains(over, false) {
			t.Fatalf("%d of %d splits were given out, over: %v", len(holder), total, over)
		}
	})
}
