// Package stream is the DataStream API: free functions over Stream[T] build a graph of typed operators, and run
// nothing. api/job runs it.
//
//	func build(env *stream.Env) {
//		lines := stream.From(env, file.Lines("alice.txt"))
//		words := stream.FlatMap(lines, strings.FieldsSeq)
//		counts := stream.Count(stream.KeyBy(words, strings.ToLower)).UID("count")
//		stream.To(counts, stdio.Print)
//	}
//
// Verbs are functions stream.Verb(input, how); settings such as UID, Name or Parallelism are methods of what a verb
// returns. Faults of a program are collected, each with file and line of its verb, and reported together by
// Env.StreamGraph.
//
// # Ownership of records
//
// Object reuse is always on. A record that is handed to a function by pointer (the Ref forms, Writer.Write) is valid
// during the call only, and so is a record that a function was given by value as far as slices, maps and pointers
// inside it go: they may be overwritten when the function has returned, unless the type's documentation says
// otherwise. To keep a record, copy it; strings are safe to keep, but strings.Clone a short one that stays for long,
// because it may hold a whole network frame in memory. A function may change the record that it was given by
// pointer; a stream with several consumers gives each that may its own copy.
//
// # Functions and subtasks
//
// A function runs in every subtask of its operator, each on the goroutine of its task; what it captures is shared by
// the subtasks of one process and must be read-only or synchronized. Work that needs fields of its own is an object
// (Processor, RichParallelSinkFunction ...): each subtask works on its own shallow copy of the object that the
// program gave, made before Open, so maps and slices are made in Open.
//
// # Reading order
//
// env.go (Env and its settings), stream.go (Stream, its settings and the exchange verbs), verbs.go, keyed.go,
// process.go with object.go and timers.go, connect.go, broadcast.go, policy.go (records that fail), source.go and
// sink.go (what connectors implement), context.go and accumulator.go (what functions see at run time), transform.go
// and library.go (for libraries of operators). The package is used by one goroutine while the graph is built;
// operators then run on the goroutine of their task.
package stream
