// Package scheduler is the pure core of a JobMaster: the ExecutionGraph of one job, its state machine, pipelined
// regions, restart strategies and slot sharing. It has no goroutine, clock or socket: events and the time come in as
// arguments, effects go out as values which the JobMaster carries out in order.
//
// Read executiongraph.go for what there is, events.go for what may happen, effects.go for what may have to be done,
// and state.go with the files beside it for the states of a job. The scripts in testdata/jobs tell whole stories.
// Package slots has the pool that the slots come from.
package scheduler
