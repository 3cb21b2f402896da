package stream

import (
	"fmt"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// Stream is a stream of records of type T while a program is built: the output of an operator, or several of them
// after Union, with the way in which the next operator receives them. T is best a struct without pointers, passed by
// value; see the package documentation for who owns a record.
//
// Settings change the operator that made the stream and return the stream.
type Stream[T any] struct {
	env   *Env
	parts []part
}

// part is one output of an operator and how its records travel on.
type part struct {
	node      *node
	output    int
	strategy  graph.ShipStrategy
	partition any // operator.Partition[T] or nil
}

// newStream adds the main output of type T to n.
func newStream[T any](n *node) *Stream[T] {
	output[T](n)
	return &Stream[T]{env: n.env, parts: []part{{node: n}}}
}

// made is the operator of a stream that a verb has just returned.
func (s *Stream[T]) made() *node { return s.parts[0].node }

// set applies a setting to the operator of the stream.
func (s *Stream[T]) set(setting string, apply func(n *node)) *Stream[T] {
	if len(s.parts) != 1 || s.parts[0].strategy != "" || s.parts[0].output != 0 {
		s.env.fault("%s: set it on what the operator's verb returned, before Union, an exchange or SideOutput", setting)
		return s
	}
	apply(s.parts[0].node)
	return s
}

// UID gives the operator an id of its own that stays when the program changes: state is found by it. It must be
// unique in the job.
func (s *Stream[T]) UID(uid string) *Stream[T] {
	return s.set("UID", func(n *node) { n.setUID(uid) })
}

// Name names the operator in plans, logs and metrics.
func (s *Stream[T]) Name(name string) *Stream[T] {
	return s.set("Name", func(n *node) { n.setName(name) })
}

// Parallelism sets the number of subtasks of the operator.
func (s *Stream[T]) Parallelism(p int) *Stream[T] {
	return s.set("Parallelism", func(n *node) { n.setParallelism(p) })
}

// MaxParallelism sets the number of key groups of the operator.
func (s *Stream[T]) MaxParallelism(p int) *Stream[T] {
	return s.set("MaxParallelism", func(n *node) { n.setMaxParallelism(p) })
}

// SlotSharingGroup puts the operator, and those after it that say nothing else, into another group: subtasks of
// different groups never share a slot.
func (s *Stream[T]) SlotSharingGroup(group string) *Stream[T] {
	return s.set("SlotSharingGroup", func(n *node) { n.setGroup(group) })
}

// StartNewChain keeps the operator out of the chain of its input; what follows may be chained to it.
func (s *Stream[T]) StartNewChain() *Stream[T] {
	return s.set("StartNewChain", func(n *node) { n.Chaining = graph.ChainHead })
}

// DisableChaining gives the operator a task of its own.
func (s *Stream[T]) DisableChaining() *Stream[T] {
	return s.set("DisableChaining", func(n *node) { n.Chaining = graph.ChainNever })
}

// StreamSink is an end of the program, for its settings.
type StreamSink struct{ node *node }

// UID is as Stream.UID.
func (s *StreamSink) UID(uid string) *StreamSink { s.node.setUID(uid); return s }

// Name is as Stream.Name.
func (s *StreamSink) Name(name string) *StreamSink { s.node.setName(name); return s }

// Parallelism is as Stream.Parallelism.
func (s *StreamSink) Parallelism(p int) *StreamSink { s.node.setParallelism(p); return s }

// MaxParallelism is as Stream.MaxParallelism.
func (s *StreamSink) MaxParallelism(p int) *StreamSink { s.node.setMaxParallelism(p); return s }

// SlotSharingGroup is as Stream.SlotSharingGroup.
func (s *StreamSink) SlotSharingGroup(group string) *StreamSink { s.node.setGroup(group); return s }

// StartNewChain is as Stream.StartNewChain; for a sink it is the same as DisableChaining.
func (s *StreamSink) StartNewChain() *StreamSink { s.node.Chaining = graph.ChainHead; return s }

// DisableChaining is as Stream.DisableChaining.
func (s *StreamSink) DisableChaining() *StreamSink { s.node.Chaining = graph.ChainNever; return s }

func (n *node) setUID(uid string) {
	if err := graph.CheckName(uid); err != nil {
		n.env.fault("UID: %v", err)
		return
	}
	if n.eventTime != nil && n.UID != "" && n.UID != uid {
		n.env.fault("UID %q: the source has uid %q, and EventTime directly after From is part of it", uid, n.UID)
		return
	}
	n.UID = uid
}

func (n *node) setName(name string) {
	if err := graph.CheckName(name); err != nil {
		n.env.fault("Name: %v", err)
		return
	}
	n.Name = name
}

func (n *node) setGroup(group string) {
	if err := graph.CheckName(group); err != nil {
		n.env.fault("SlotSharingGroup: %v", err)
		return
	}
	n.SlotSharingGroup = group
}

func (n *node) setParallelism(p int) {
	if p < 1 {
		n.env.fault("parallelism %d of %q: want at least 1", p, n.Name)
		return
	}
	n.Parallelism = p
}

func (n *node) setMaxParallelism(p int) {
	if p < 1 {
		n.env.fault("max parallelism %d of %q: want at least 1", p, n.Name)
		return
	}
	n.MaxParallelism = p
}

// ship returns the stream with another way to the next operator.
func (s *Stream[T]) ship(strategy graph.ShipStrategy, partition any) *Stream[T] {
	t := &Stream[T]{env: s.env, parts: make([]part, len(s.parts))}
	for i, p := range s.parts {
		p.strategy, p.partition = strategy, partition
		t.parts[i] = p
	}
	return t
}

// Rebalance sends the records round robin to all subtasks of the next operator.
func Rebalance[T any](s *Stream[T]) *Stream[T] { return s.ship(graph.Rebalance, nil) }

// Rescale sends the records round robin to a local part of the next operator's subtasks.
func Rescale[T any](s *Stream[T]) *Stream[T] { return s.ship(graph.Rescale, nil) }

// Shuffle sends each record to a random subtask of the next operator.
func Shuffle[T any](s *Stream[T]) *Stream[T] { return s.ship(graph.Shuffle, nil) }

// Broadcast sends each record to every subtask of the next operator.
func Broadcast[T any](s *Stream[T]) *Stream[T] { return s.ship(graph.Broadcast, nil) }

// Global sends all records to the first subtask of the next operator.
func Global[T any](s *Stream[T]) *Stream[T] { return s.ship(graph.Global, nil) }

// Forward sends the records of subtask i to subtask i of the next operator, which must have the same parallelism.
func Forward[T any](s *Stream[T]) *Stream[T] { return s.ship(graph.Forward, nil) }

// PartitionCustom sends each record to the subtask that to returns, in [0, subtasks).
func PartitionCustom[T any](s *Stream[T], to func(v T, subtasks int) int) *Stream[T] {
	if to == nil {
		s.env.fault("PartitionCustom: the partitioner is nil")
	}
	return s.ship(graph.Custom, operator.Partition[T](func(parallelism, _ int) func(*T) int {
		return func(v *T) int {
			i := to(*v, parallelism)
			if uint(i) >= uint(parallelism) {
				panic(fmt.Errorf("PartitionCustom: the partitioner returned %d, want 0 to %d", i, parallelism-1))
			}
			return i
		}
	}))
}

// Union joins streams of one type into one. Records of one subtask keep their order, streams mix in any order.
func Union[T any](first *Stream[T], more ...*Stream[T]) *Stream[T] {
	u := &Stream[T]{env: first.env, parts: append([]part(nil), first.parts...)}
	for _, s := range more {
		u.parts = append(u.parts, s.parts...)
	}
	return u
}
