package operator

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/flink-go/flink-go/graph/codec"
)

// Type is the handle of a record type T without naming T: what the translation and the task need to connect
// operators of a chain and vertices of a job. TypeOf makes it.
type Type interface {
	// String is the Go name of the record type.
	String() string
	// Fingerprint identifies the layout that records have between processes.
	Fingerprint() uint64
	// Tee returns one Node[T] in front of nodes, each a Node[T]: each but the last gets its own copy of a record.
	// For no nodes it is one that discards.
	Tee(nodes []any) any
	// NewWriter returns the Node[T] that sends records over an edge, and the task's side of it.
	NewWriter(c WriterConfig) (node any, out Output, err error)
	// NewReader returns the input that feeds node, a Node[T].
	NewReader(node any, c ReaderConfig) (Input, error)
	// NewCollector returns a Node[T] that hands a copy of each record to each: for tests.
	NewCollector(each func(v any, ts int64)) any
}

// TypeOf returns the handle of T, or an error that names the path of what has no codec.
func TypeOf[T any]() (Type, error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, err
	}
	var zero T
	return &recordType[T]{
		codec:       c,
		name:        reflect.TypeFor[T]().String(),
		fingerprint: codec.Fingerprint[T](),
		aliases:     codec.Aliases[T](),
		size:        int(unsafe.Sizeof(zero)),
	}, nil
}

type recordType[T any] struct {
	codec       codec.Codec[T]
	name        string
	fingerprint uint64
	aliases     bool // decoded records may point into the frame
	size        int
}

func (t *recordType[T]) String() string      { return t.name }
func (t *recordType[T]) Fingerprint() uint64 { return t.fingerprint }

// node asserts what came as any; that it is a Node[T] was checked when the graph was built.
func (t *recordType[T]) node(n any) (Node[T], error) {
	node, ok := n.(Node[T])
	if !ok {
		return nil, fmt.Errorf("%T takes no records of type %s", n, t.name)
	}
	return node, nil
}
