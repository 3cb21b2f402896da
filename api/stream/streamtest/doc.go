// Package streamtest runs programs in tests: all subtasks of the whole graph on one goroutine, without cluster and
// ports, in an order that is the same every time, but for Shuffle and for what goroutines of the program do.
//
// # A program
//
// A Harness puts the test in the place of each source and sink that has a UID:
//
//	func TestSilenceRaisesAnAlert(t *testing.T) {
//		h := streamtest.New(t, build)
//		h.Send("beats", Beat{"pump", start})
//		h.Watermark("beats", start.Add(11*time.Minute))
//		h.Want("alerts", Alert{"pump", start})
//	}
//
// Everything between them is the program's own, and so is the event time of its sources (stream.EventTime): Send is
// what the source reads. Sources and sinks without UID work as they always do.
//
// After each call the program has done all that it can do. Processing time stands still but for Advance, through which
// timers, timeouts and windows of processing time fire one after the other. Goroutines of the program, such as the
// calls of Async, run in real time: Want waits for them.
//
// # A single operator
//
// Operator makes the program around a fragment, with typed verbs:
//
//	h := streamtest.Operator(t, func(in *stream.Stream[int]) *stream.Stream[int] {
//		return stream.Filter(in, func(v int) bool { return v > 0 })
//	})
//	h.Send(-1, 1)
//	h.Want(1)
//
// # Conformance
//
// Conform runs one script over a program in many ways that must not matter: records one by one or many at once,
// channels with hardly any room, chained or not, at several parallelisms. It is for authors of operators, and for
// programs that shall give one answer.
//
// # To the end
//
// Run runs a bounded program, with its own sources and sinks in real time, to its end. Failures and restarts are tested
// with api/job.
//
// Files: harness.go (Harness), operator.go, conform.go, run.go (how the tasks of a program run on one goroutine),
// time.go (virtual time).
package streamtest
