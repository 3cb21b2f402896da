// Package window divides streams into windows and computes a result for each: of a keyed stream per key, of a plain
// stream for all records together, in one subtask.
//
//	minutes := window.Tumbling(time.Minute).Lateness(30 * time.Second)
//	means := window.Aggregate(stream.KeyBy(timed, Reading.Key), minutes, mean)
//
// A Spec says which windows there are and when they fire; a verb (Aggregate, Reduce, Count, Sum, Process and others)
// says what is computed. Windows are aligned to 1970 in UTC, hold their start and not their end, and are in event
// time unless ProcessingTime says otherwise. A window fires when the watermark reaches its last millisecond, End-1,
// which is also the event time of its results; results of one operator leave in the order of their windows' ends. A
// window without records has no result.
//
// A record is late for a window when End-1 plus the allowed lateness is not after the watermark. One that is late for
// all of its windows is dropped and counted (numLateRecordsDropped), or goes to the side output that Late returns.
// Within the allowed lateness each further record makes its window fire at once, once more.
//
// Windows in processing time fire when the clock reaches their end, and at the end of a bounded input, so that
// nothing that came in is without a result.
//
// # Two operators
//
// Aggregates over tumbling, sliding and session windows with nothing special run on slices (slices.go) and session
// lists (session.go): a record touches one accumulator however many windows overlap, no key has a timer of its own in
// aligned windows, and nothing is on the heap per record. All else, triggers, evictors, count and global windows and
// functions over all records of a window, runs on the general operator (general.go). The verbs choose; results are
// the same. docs/design/windows.md has the reasons.
package window
