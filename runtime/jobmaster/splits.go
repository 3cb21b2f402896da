package jobmaster

import (
	"slices"

	pb "github.com/flink-go/flink-go/rpc/proto"
)

// splitAssigner hands out the splits of one source, each to one live attempt. Discovery needs code of the job, so it
// happens in subtask 0; the assigner holds what was discovered as bytes and decides alone who reads what. It is a
// plain value.
//
// A subtask that starts anew starts from the beginning, so all splits that it ever had come back. When all subtasks
// have started anew, the source starts anew: the assigner forgets everything and waits for the next discovery.
type splitAssigner struct {
	parallelism int
	discovered  bool
	complete    bool                // no more will be discovered
	known       map[string]struct{} // ids of all splits, so that a repeated discovery adds nothing twice
	open        []*pb.Split         // not handed out, in order
	had         [][]*pb.Split       // by subtask: what it was given
	waiting     []int               // subtasks whose request waits, in order
	waits       []bool              // by subtask
}

// assignment is what one subtask is told.
type assignment struct {
	subtask int
	event   *pb.SourceEvent
}

func newSplitAssigner(parallelism int) *splitAssigner {
	a := &splitAssigner{parallelism: parallelism}
	a.clear()
	return a
}

func (a *splitAssigner) clear() {
	*a = splitAssigner{
		parallelism: a.parallelism,
		known:       map[string]struct{}{},
		had:         make([][]*pb.Split, a.parallelism),
		waits:       make([]bool, a.parallelism),
	}
}

// discover takes splits that were found, and whether they are the last ones.
func (a *splitAssigner) discover(splits []*pb.Split, complete bool) []assignment {
	a.discovered = true
	a.complete = a.complete || complete
	for _, s := range splits {
		if _, twice := a.known[s.GetId()]; !twice {
			a.known[s.GetId()] = struct{}{}
			a.open = append(a.open, s)
		}
	}
	return a.serve()
}

// request asks for the next split of a subtask. Until there is one, the request waits.
func (a *splitAssigner) request(subtask int) []assignment {
	if subtask < 0 || subtask >= a.parallelism {
		return nil
	}
	if !a.waits[subtask] {
		a.waits[subtask] = true
		a.waiting = append(a.waiting, subtask)
	}
	return a.serve()
}

// reset says that new attempts of these subtasks start from the beginning.
func (a *splitAssigner) reset(subtasks []int) []assignment {
	if len(subtasks) == a.parallelism {
		a.clear()
		return nil
	}
	var back []*pb.Split
	for _, s := range subtasks {
		if s < 0 || s >= a.parallelism {
			continue
		}
		back = append(back, a.had[s]...)
		a.had[s] = nil
		if a.waits[s] {
			a.waits[s] = false
			i := slices.Index(a.waiting, s)
			a.waiting = slices.Delete(a.waiting, i, i+1)
		}
	}
	a.open = append(back, a.open...)
	return a.serve()
}

// serve answers the requests that can be answered.
func (a *splitAssigner) serve() []assignment {
	var out []assignment
	for len(a.waiting) > 0 {
		subtask := a.waiting[0]
		var event *pb.SourceEvent
		switch {
		case len(a.open) > 0:
			split := a.open[0]
			a.open = a.open[1:]
			a.had[subtask] = append(a.had[subtask], split)
			event = &pb.SourceEvent{Event: &pb.SourceEvent_Assigned{Assigned: &pb.SplitsAssigned{Splits: []*pb.Split{split}}}}
		case a.complete:
			event = &pb.SourceEvent{Event: &pb.SourceEvent_NoMore{NoMore: &pb.NoMoreSplits{}}}
		default:
			return out
		}
		a.waiting = a.waiting[1:]
		a.waits[subtask] = false
		out = append(out, assignment{subtask, event})
	}
	return out
}
