// Package core is the vocabulary of flink-go: identifiers, job and execution states, key groups, resource profiles,
// counters of a task, and the one error type. It holds values only: nothing here owns a goroutine, a clock or a
// file, and every type may be used from any goroutine like a plain value. It imports the standard library alone, so
// that every other package may import it.
//
// Read graph next for what a job is, then rpc for how the components talk about it.
package core
