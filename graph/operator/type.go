package operator

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
}
