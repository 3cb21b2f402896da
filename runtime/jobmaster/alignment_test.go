package jobmaster

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// After each round of news all members of a group know the least watermark of those that count, and none is told twice.
func TestAlignmentLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAlignment()
		type member struct {
			group     string
			watermark int64
			idle      bool
		}
		ops := []core.OperatorID{core.HashOperatorID("a"), core.HashOperatorID("b")}
		members, knows := map[alignmentMember]member{}, map[alignmentMember]int64{}
		groups := map[core.OperatorID]string{}
		for i, op := range ops {
			groups[op] = fmt.Sprint(rapid.IntRange(0, i).Draw(t, "group"))
		}
		draw := func(t *rapid.T) alignmentMember {
			return alignmentMember{rapid.SampledFrom(ops).Draw(t, "operator"), rapid.IntRange(0, 2).Draw(t, "subtask")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"report": func(t *rapid.T) {
				id := draw(t)
				m := member{groups[id.operator], rapid.Int64Range(math.MinInt64, 20).Draw(t, "watermark"), rapid.Bool().Draw(t, "idle")}
				a.report(id.operator, id.subtask, &pb.WatermarkReport{Group: m.group, Watermark: m.watermark, Idle: m.idle})
				if _, ok := members[id]; !ok {
					knows[id] = math.MaxInt64
				}
				members[id] = m
			},
			"end": func(t *rapid.T) {
				id := draw(t)
				a.report(id.operator, id.subtask, &pb.WatermarkReport{Group: groups[id.operator], Ended: true})
				delete(members, id)
			},
			"restart": func(t *rapid.T) {
				op := rapid.SampledFrom(ops).Draw(t, "operator")
				a.reset(op, []int{0, 1})
				delete(members, alignmentMember{op, 0})
				delete(members, alignmentMember{op, 1})
			},
			"news": func(t *rapid.T) {
				for _, n := range a.news() {
					for _, x := range n.assignments {
						id := alignmentMember{n.operator, x.subtask}
						w := x.event.GetGroupWatermark().GetWatermark()
						if _, ok := members[id]; !ok || knows[id] == w {
							t.Fatalf("%v is told %d and knows %d", id, w, knows[id])
						}
						knows[id] = w
					}
				}
				for id, m := range members {
					least := int64(math.MaxInt64)
					for _, other := range members {
						if other.group == m.group && !other.idle {
							least = min(least, other.watermark)
						}
					}
					if knows[id] != least {
						t.Fatalf("%v knows %d, want %d of %v", id, knows[id], least, members)
					}
				}
			},
		})
	})
}

func TestSourcesLearnTheWatermarkOfTheirGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		a := c.addTM("a", 2)
		c.newJob(nil, "source*2", "=map*2")
		report := func(subtask int, watermark int64) {
			a.sourceEvent(subtask, &pb.SourceEvent{Event: &pb.SourceEvent_WatermarkReport{WatermarkReport: &pb.WatermarkReport{Group: "g", Watermark: watermark}}})
		}
		events := func(want ...string) {
			t.Helper()
			time.Sleep(2 * alignmentInterval)
			synctest.Wait()
			c.set(func() {
				slices.Sort(a.events)
				if !slices.Equal(a.events, want) {
					t.Errorf("events %v, want %v", a.events, want)
				}
				a.events = nil
			})
		}
		report(0, 50)
		events("0#0: group at 50")
		report(1, 20)
		report(1, 25) // after the first step those who listen do not hear each
		report(1, 30)
		events("0#0: group at 20", "0#0: group at 30", "1#0: group at 20", "1#0: group at 30")
		report(0, 60)
		events()
		// The slower one fails, and counts again when it has begun again.
		ids := a.in(core.ExecutionRunning)
		i := slices.IndexFunc(ids, func(id core.ExecutionAttemptID) bool { return id.Vertex == c.vertexID(0) && id.Subtask == 1 })
		a.report(core.ExecutionFailed, &pb.ErrorInfo{Message: "boom"}, ids[i])
		time.Sleep(2 * time.Second)
		events("0#0: group at 60")
		report(1, math.MinInt64)
		events("0#0: group at -9223372036854775808", "1#1: group at -9223372036854775808")
		a.sourceEvent(1, &pb.SourceEvent{Event: &pb.SourceEvent_WatermarkReport{WatermarkReport: &pb.WatermarkReport{Group: "g", Ended: true}}})
		events("0#0: group at 60")
	})
}
