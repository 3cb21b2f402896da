package main

import (
	"math"
	"math/bits"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// latency is the accumulator that holds the distribution.
const latency = "latency"

// measure is a sink that notes how late each record is, but for the first skip.
func measure(skip uint64) stream.Sink[record] {
	check := result.Check(func(r *record) uint64 { return result.Row2(r.N%keys, uint64(r.Count)) })
	return func(ctx *stream.RuntimeContext) (stream.Writer[record], error) {
		w, err := check(ctx)
		return &meter{Writer: w, ctx: ctx, skip: skip}, err
	}
}

// meter counts latencies in buckets of 1/64 of their value.
type meter struct {
	stream.Writer[record]
	ctx      *stream.RuntimeContext
	skip     uint64
	first    int64 // when the first record was due
	buckets  [64 * 64]int64
	measured int64
	max      int64
}

func (m *meter) Write(r *record) error {
	if r.N == 0 {
		m.first = r.Due
	}
	if r.N >= m.skip {
		m.add(time.Now().UnixNano() - r.Due)
	}
	return m.Writer.Write(r)
}

func (m *meter) add(nanos int64) {
	v := uint64(max(64, nanos))
	e := 63 - bits.LeadingZeros64(v)
	m.buckets[e*64+int(v>>(e-6)&63)]++
	m.measured++
	m.max = max(m.max, int64(v))
}

// micros is the q-quantile.
func (m *meter) micros(q float64) float64 {
	want, seen := int64(math.Ceil(q*float64(m.measured))), int64(0)
	for i, n := range m.buckets {
		if seen += n; seen >= want && n > 0 {
			return float64(min(m.max, int64(65+i%64)<<(i/64-6))) / 1e3
		}
	}
	return float64(m.max) / 1e3
}

// Finish hands the distribution over.
func (m *meter) Finish() error {
	m.ctx.LongMin(result.FirstEvent).Add(m.first)
	if err := m.ctx.List(latency).Add(result.Latency{P50: m.micros(0.5), P99: m.micros(0.99), P999: m.micros(0.999), Max: m.micros(1)}); err != nil {
		return err
	}
	return m.Writer.(stream.Finisher).Finish()
}
