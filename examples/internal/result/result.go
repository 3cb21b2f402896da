// Package result is what the measured examples share: hashes of result rows, a sink that counts and sums them in
// accumulators, and the line that is printed when the job has ended.
package result

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
)

// Names of the accumulators.
const (
	count       = "count"        // rows
	checksum    = "checksum"     // sum of their hashes
	FirstEvent  = "first-event"  // when the first event was made, nanoseconds since 1970
	firstResult = "first-result" // when the first row came to the sink
	lastResult  = "last-result"  // when the sink had the last row
)

// Mix scatters the bits of x.
func Mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// Row2 is the hash of a result row of two numbers.
func Row2(a, b uint64) uint64 { return Mix(a) ^ Mix(b*3) }

// Row3 is the hash of a result row of three numbers.
func Row3(a, b, c uint64) uint64 { return Mix(a) ^ Mix(b*3) ^ Mix(c*5) }

// Row4 is the hash of a result row of four numbers.
func Row4(a, b, c, d uint64) uint64 { return Mix(a) ^ Mix(b*3) ^ Mix(c*5) ^ Mix(d*7) }

// FNV is the FNV-1a hash of a string, by which it enters a row.
func FNV(s string) uint64 {
	x := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		x = (x ^ uint64(s[i])) * 0x100000001b3
	}
	return x
}

// Started notes that the first event of a subtask is made now.
func Started(ctx *stream.RuntimeContext) { ctx.LongMin(FirstEvent).Add(ctx.Now().UnixNano()) }

// Check is a sink that counts rows and sums their hashes.
func Check[T any](hash func(*T) uint64) stream.Sink[T] {
	return func(ctx *stream.RuntimeContext) (stream.Writer[T], error) {
		return &checker[T]{ctx: ctx, hash: hash, count: ctx.LongCounter(count), sum: ctx.LongSum64(checksum)}, nil
	}
}

type checker[T any] struct {
	ctx   *stream.RuntimeContext
	hash  func(*T) uint64
	count *stream.LongCounter
	sum   *stream.LongSum64
}

func (c *checker[T]) Write(v *T) error {
	if c.count.Value() == 0 {
		c.ctx.LongMin(firstResult).Add(c.ctx.Now().UnixNano())
	}
	c.count.Add(1)
	c.sum.Add(c.hash(v))
	return nil
}

func (c *checker[T]) Flush() error { return nil }

// Finish notes when the last row was there.
func (c *checker[T]) Finish() error {
	c.ctx.LongMax(lastResult).Add(c.ctx.Now().UnixNano())
	return nil
}

func (c *checker[T]) Close() error { return nil }

// Line is the outcome of a run; with --json it is what is printed.
type Line struct {
	Engine      string   `json:"engine"`
	Job         string   `json:"job"`
	Parallelism int      `json:"parallelism"`
	Setup       string   `json:"setup"`
	Events      int64    `json:"events"`
	Count       int64    `json:"count"`
	Checksum    string   `json:"checksum"`
	Seconds     float64  `json:"seconds"`
	EventsPerS  float64  `json:"events_per_s"`
	CPU         float64  `json:"cpu_s,omitempty"`        // of this process, when it ran the job itself
	PeakRSS     float64  `json:"peak_rss_mib,omitempty"` // of this process, when it ran the job itself
	Latency     *Latency `json:"latency,omitempty"`
	FirstResult int64    `json:"first_result_unix_nanos,omitempty"`
}

// Latency is a distribution in microseconds.
type Latency struct {
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p99_9_us"`
	Max  float64 `json:"max_us"`
}

// Of reads the accumulators of a job that has ended. events is how many the sources made.
func Of(name string, parallelism int, events int64, res *job.Result) (*Line, error) {
	l := &Line{Engine: "flink-go", Job: name, Parallelism: parallelism, Events: events, Setup: "cluster"}
	var err error
	number := func(name string) (n int64) {
		if err == nil {
			n, err = res.Accumulators.Int64(name)
		}
		return n
	}
	l.Count = number(count)
	begin, end := int64(0), number(lastResult)
	if _, ok := res.Accumulators.Lookup(FirstEvent); ok {
		begin = number(FirstEvent)
	} else { // the input was empty
		begin = end
	}
	if err != nil {
		return nil, err
	}
	sum, err := job.Value[uint64](res.Accumulators, checksum)
	if err != nil {
		return nil, err
	}
	l.Checksum = fmt.Sprintf("%016x", sum)
	l.Seconds = time.Duration(end - begin).Seconds()
	if l.Seconds > 0 {
		l.EventsPerS = float64(events) / l.Seconds
	}
	if l.Count > 0 {
		l.FirstResult = number(firstResult)
	}
	if os.Getenv("FLINKGO_ROLE") == "" {
		l.Setup = "embedded"
		l.CPU, l.PeakRSS = used()
	}
	return l, err
}

// used is the CPU time in seconds and the largest memory in MiB of this process.
func used() (cpu, rss float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	rss = float64(u.Maxrss) / 1024
	if runtime.GOOS == "darwin" { // bytes there, KiB elsewhere
		rss /= 1024
	}
	return cpu, rss
}

// WriteJSON writes the line as JSON.
func (l *Line) WriteJSON(w io.Writer) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

// WriteText writes the line for people.
func (l *Line) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: %d events in %.3f s, %.0f events/s; %d results, checksum %s\n",
		l.Job, l.Events, l.Seconds, l.EventsPerS, l.Count, l.Checksum)
	return err
}
