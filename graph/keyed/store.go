package keyed

import (
	"fmt"
	"iter"
)

// Store maps keys to values: the state of an operator that knows both types. hash is always that of codec.HashFor[K].
// Pointers that it returns are valid until the next call. What Ref points to may be changed until then, all else is to
// be read only: a change would get lost on disk and in a checkpoint. Strings in values are the caller's to detach
// (codec.DetachFor), those in keys are the store's.
//
// A fault of the disk, and a key of a group that the subtask does not own (B-46), is a panic with an error.
type Store[K comparable, V any] interface {
	// Ref returns the value of *k, a new zero one if there was none.
	Ref(k *K, hash uint64) (v *V, isNew bool)
	// Get returns the value of *k, nil if there is none.
	Get(k *K, hash uint64) *V
	// Delete removes *k and tells whether it was there.
	Delete(k *K, hash uint64) bool
	// Len returns the number of keys.
	Len() int
	// All ranges over all entries, one key group after the other. The loop may Ref and Delete the entry that it
	// is at. Whether it sees keys inserted meanwhile is open.
	All() iter.Seq2[*K, *V]
	// Clear removes all keys.
	Clear()
}

// NewStore registers a store of b.
func NewStore[K comparable, V any](b *Backend, name string) (Store[K, V], error) {
	key, _, err := schemaOf[K](name, "key")
	if err != nil {
		return nil, err
	}
	value, _, err := schemaOf[V](name, "value")
	if err != nil {
		return nil, err
	}
	if err := b.register(State{Name: name, Kind: KindStore, Key: key, Value: value}); err != nil {
		return nil, err
	}
	if b.disk != nil {
		return newDiskStore[K, V](b, name)
	}
	t, err := New[K, V](b.owned, b.maxParallelism)
	if err != nil {
		return nil, fmt.Errorf("state %q: %w", name, err)
	}
	return t, nil
}
