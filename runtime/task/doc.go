// Package task runs one attempt of one subtask: it makes the operators of a chain, connects their ends to the
// network, and drives them from one goroutine until their input ends, they fail, or the attempt is canceled.
//
// That goroutine calls everything of the chain: Open and Close, records, timers, mailbox actions. It blocks in two
// places only: when there is nothing to do, on its gate; and when an output has no credit. Both end at once on
// cancellation. The methods of Task may be called from any goroutine.
//
// Read task.go for the life of a task, loop.go for what it does between records, chain.go for how it is put together.
package task
