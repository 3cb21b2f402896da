package keyed

import (
	"fmt"
	"slices"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/codec"
)

// KeyValue is an ordered store of bytes on disk, that of one subtask. Keys compare as bytes.Compare does. Slices
// that a caller hands over or is given are valid during the call only.
type KeyValue interface {
	// Get appends the value of key to dst; ok tells whether there is one.
	Get(key, dst []byte) (value []byte, ok bool, err error)
	Set(key, value []byte) error
	Delete(key []byte) error
	// DeleteRange deletes the keys in [from, to).
	DeleteRange(from, to []byte) error
	// Scan calls each with the keys in [from, to) in order, until it returns false.
	Scan(from, to []byte, each func(key, value []byte) bool) error
}

// Kind is a kind of state.
type Kind string

// The kinds of state.
const (
	KindValue  Kind = "value"
	KindList   Kind = "list"
	KindMap    Kind = "map"
	KindStore  Kind = "store"
	KindTimers Kind = "timers"
)

// State describes a state that was registered.
type State struct {
	Name  string
	Kind  Kind
	Key   *codec.Schema // of the key; nil for states of a Scope, whose key is Backend.Key
	Entry *codec.Schema // of the keys of a map, else nil
	Value *codec.Schema // of what is stored; nil for timers
}

// Backend is the keyed state of one operator in one subtask. It knows every state that was registered, by name: what
// a checkpoint enumerates. It belongs to the goroutine of the task.
type Backend struct {
	owned          core.KeyGroupRange
	maxParallelism int
	disk           KeyValue // nil: state is on the heap
	prefix         []byte
	states         []State
	key            *codec.Schema // of the rows, nil as long as there are none
}

// NewBackend returns the backend of a subtask that owns these key groups. Its states are on the heap if disk is nil,
// else in disk under keys that begin with prefix.
func NewBackend(owned core.KeyGroupRange, maxParallelism int, disk KeyValue, prefix []byte) *Backend {
	return &Backend{owned: owned, maxParallelism: maxParallelism, disk: disk, prefix: prefix}
}

// KeyGroups returns the key groups that the subtask owns.
func (b *Backend) KeyGroups() core.KeyGroupRange { return b.owned }

// groups is the number of key groups that the subtask owns.
func (b *Backend) groups() int { return b.owned.To - b.owned.From }

// MaxParallelism is the number of key groups of the job.
func (b *Backend) MaxParallelism() int { return b.maxParallelism }

// States returns what was registered, in that order.
func (b *Backend) States() []State { return slices.Clone(b.states) }

// Key describes the key of the rows; nil if there are no rows.
func (b *Backend) Key() *codec.Schema { return b.key }

// register adds a state. Its name must be new.
func (b *Backend) register(s State) error {
	if s.Name == "" {
		return fmt.Errorf("a %s state has no name: give it one that is unique within its operator", s.Kind)
	}
	for _, have := range b.states {
		if have.Name == s.Name {
			return fmt.Errorf("state %q is declared twice, as %s and as %s: names are unique within an operator", s.Name, have.Kind, s.Kind)
		}
	}
	const most = 1 << 16 // the number of a state is two bytes of its keys on disk
	if b.disk != nil && len(b.states) >= most {
		return fmt.Errorf("state %q: an operator on disk can have %d states: use the heap, or windows of fewer slices", s.Name, most)
	}
	b.states = append(b.states, s)
	return nil
}

// schemaOf describes V and returns what detaches it from frames, nil if nothing need be done.
func schemaOf[V any](name, part string) (*codec.Schema, func(*V), error) {
	schema, err := codec.SchemaOf[V]()
	if err != nil {
		return nil, nil, fmt.Errorf("state %q: %s: %w", name, part, err)
	}
	detach, err := codec.DetachFor[V]()
	if err != nil {
		return nil, nil, fmt.Errorf("state %q: %s: %w", name, part, err)
	}
	return schema, detach, nil
}
