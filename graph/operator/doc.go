// Package operator is the contract between the operators that the API builds and the task that runs them, and the
// typed half of the data plane: batches, writers and readers of one record type.
//
// Everything in one chain runs on the task's goroutine: Node methods, lifecycle, timers, mailbox actions. No method
// of a Node, Lifecycle or Source is ever called concurrently with another of the same task, so operators hold plain
// fields and no locks. Only Task.Run may be called from elsewhere.
//
// Types are chosen while the graph is built: a Factory receives its outputs as `any` and asserts each to Node[U]
// once; from then on a record travels through a chain by pointer, one interface call per operator, and is never
// boxed.
package operator
