// Package metrics is the MetricQueryService of a process (S-208, S-213): the endpoint that answers what its metrics
// are. It is served on an rpc.Service of its own, so that queries, however large, never stand in the way of control
// (S-217).
//
// A Registry may be used from any goroutine: counters and gauges are atomic, and their names are looked up when they
// are made, not when they are counted.
package metrics
