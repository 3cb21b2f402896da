package jobmaster

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// alignmentInterval is the least time between two messages about the watermark of a group to its members.
const alignmentInterval = 100 * time.Millisecond

// alignment knows how far the sources of the job have come in event time, for those that are in a group: members learn
// the least watermark of their group and stop reading what is too far ahead of it. It is a plain value.
//
// A member that is idle or has ended does not count. One that knows no watermark yet does: the others wait for it,
// until it has one or is idle.
type alignment struct {
	groups map[string]alignmentGroup
}

type alignmentGroup map[alignmentMember]*memberState

// alignmentMember is a subtask of a source.
type alignmentMember struct {
	operator core.OperatorID
	subtask  int
}

type memberState struct {
	watermark int64
	idle      bool
	told      int64 // the watermark of the group that it knows
}

// groupWatermark says that members of one operator are to learn the watermark of their group.
type groupWatermark struct {
	operator    core.OperatorID
	assignments []assignment
}

func newAlignment() *alignment { return &alignment{groups: map[string]alignmentGroup{}} }

// report takes what a subtask says about itself.
func (a *alignment) report(operator core.OperatorID, subtask int, r *pb.WatermarkReport) {
	g := a.groups[r.GetGroup()]
	if g == nil {
		g = alignmentGroup{}
		a.groups[r.GetGroup()] = g
	}
	id := alignmentMember{operator, subtask}
	if r.GetEnded() {
		delete(g, id)
		return
	}
	m := g[id]
	if m == nil {
		m = &memberState{told: math.MaxInt64}
		g[id] = m
	}
	m.watermark, m.idle = r.GetWatermark(), r.GetIdle()
}

// reset forgets subtasks of an operator that start anew.
func (a *alignment) reset(operator core.OperatorID, subtasks []int) {
	for _, g := range a.groups {
		for _, s := range subtasks {
			delete(g, alignmentMember{operator, s})
		}
	}
}

// watermark is the least of the members that count, the largest int64 if none does.
func (g alignmentGroup) watermark() int64 {
	least := int64(math.MaxInt64)
	for _, m := range g {
		if !m.idle {
			least = min(least, m.watermark)
		}
	}
	return least
}

// news returns what members do not know yet, and takes it as told.
func (a *alignment) news() []groupWatermark {
	tell := map[core.OperatorID][]assignment{}
	for _, g := range a.groups {
		w := g.watermark()
		event := &pb.SourceEvent{Event: &pb.SourceEvent_GroupWatermark{GroupWatermark: &pb.GroupWatermark{Watermark: w}}}
		for id, m := range g {
			if m.told != w {
				m.told = w
				tell[id.operator] = append(tell[id.operator], assignment{id.subtask, event})
			}
		}
	}
	var out []groupWatermark
	for _, op := range slices.SortedFunc(maps.Keys(tell), func(a, b core.OperatorID) int { return cmp.Compare(a.String(), b.String()) }) {
		slices.SortFunc(tell[op], func(x, y assignment) int { return x.subtask - y.subtask })
		out = append(out, groupWatermark{op, tell[op]})
	}
	return out
}

// align sends the news of an alignment: at once after a quiet time, else not more often than alignmentInterval.
func (m *JobMaster) align() {
	if m.aligning || len(m.alignment.groups) == 0 {
		return
	}
	m.aligning = true
	m.ep.After(time.Until(m.aligned.Add(alignmentInterval)), func() {
		m.aligning, m.aligned = false, time.Now()
		for _, n := range m.alignment.news() {
			m.tell(n.operator, m.sources[n.operator], n.assignments)
		}
	})
}
