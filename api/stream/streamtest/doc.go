// Package streamtest runs programs in tests: all subtasks of the whole graph on one goroutine, which reads each
// exchange where it is written to. It needs no cluster and no ports, and its order is fixed, but for Shuffle and for
// sources with goroutines of their own. Failures and restarts are tested with api/job.
package streamtest
