// Package scheduler is the pure core of a JobMaster: the ExecutionGraph of one job, its state machine, pipelined
// regions, restart strategies and slot sharing. It has no goroutine, clock or socket: events and the time come in as
// arguments, effects go out as values which the JobMaster carries out in order.
package scheduler
