// Package collection makes a source of values that the program holds in memory.
//
//	words := stream.From(env, collection.Of("to", "be", "or", "not"))
package collection

import (
	"slices"

	"github.com/flink-go/flink-go/api/stream"
)

// Of is a bounded source of items, in their order, by one subtask.
func Of[T any](items ...T) stream.Source[T] { return From(items) }

// From is a bounded source of the elements of items, in their order, by one subtask (S-134). It takes a copy of the
// slice; what its elements point to is shared, and must not be changed by the program.
func From[T any](items []T) stream.Source[T] {
	items = slices.Clone(items)
	return stream.Source[T]{
		Name:        "Collection",
		Bounded:     true,
		Parallelism: 1,
		Open: func(*stream.RuntimeContext) (stream.Reader[T], error) {
			return &reader[T]{items}, nil
		},
	}
}

// reader has the items that are left.
type reader[T any] struct{ items []T }

// Next returns the next item.
func (r *reader[T]) Next(v *T) (int64, stream.Status, error) {
	if len(r.items) == 0 {
		return 0, stream.End, nil
	}
	*v, r.items = r.items[0], r.items[1:]
	return stream.NoTimestamp, stream.Record, nil
}

// Close has nothing to free.
func (r *reader[T]) Close() error { return nil }
