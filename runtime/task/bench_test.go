package task_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// wide is a record of 152 bytes with strings, like an event of the Nexmark generator.
type wide struct {
	Kind             uint64
	Auction, Bidder  uint64
	Price, At        int64
	Channel, URL, Ex string
	Rest             [8]uint64
}

// cpu is the CPU time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f for b.N records in all and reports CPU time per record.
func measure(b *testing.B, f func()) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	f()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkChainOf4(b *testing.B) {
	p := newPlan(b)
	p.vertex("all", 1,
		source(b, b.N, func(_, i int, v *wide) int64 { v.Auction = uint64(i); return operator.NoTimestamp }),
		filterNode(b, "filter", func(v *wide) bool { return v.Auction%1024 != 0 }),
		filterNode(b, "filter 2", func(v *wide) bool { return v.Bidder == 0 }),
		mapNode(b, "map", func(v *wide) uint64 { return v.Auction }),
		sinkNode(func(*operator.Context, *uint64, int64) {}, nil),
	)
	c := newCluster(b, p.job.ID, 0)
	measure(b, func() { p.deploy(c, nil).finish(time.Minute) })
}

func benchExchange[T any](b *testing.B, workers int, gen func(s, i int, v *T) int64, key func(*T) uint64) {
	p := newPlan(b)
	p.vertex("up", 2, source(b, b.N/2, gen))
	p.vertex("down", 2, sinkNode(func(*operator.Context, *T, int64) {}, nil))
	p.edge("up", "down", graph.Hash, byKey(key), 0)
	c := newCluster(b, p.job.ID, workers)
	at := func(vertex, _ int) int { return vertex % len(c.nets) } // every record crosses
	measure(b, func() { p.deploy(c, at).finish(time.Minute) })
}

func genSmall(_, i int, v *small) int64 { v.Key = uint64(i); return operator.NoTimestamp }
func keySmall(v *small) uint64          { return v.Key }

func genWide(_, i int, v *wide) int64 {
	v.Auction, v.At, v.Channel, v.URL = uint64(i), int64(i), "Google", "https://www.nexmark.com/item.htm?query=1"
	return int64(i)
}
func keyWide(v *wide) uint64 { return v.Auction }

func genText(_, i int, v *texty) int64 {
	v.Key, v.Text = uint64(i), "wonderland"
	return operator.NoTimestamp
}
func keyText(v *texty) uint64 { return v.Key }

func BenchmarkLocalExchange32(b *testing.B)  { benchExchange(b, 0, genSmall, keySmall) }
func BenchmarkLocalExchange152(b *testing.B) { benchExchange(b, 0, genWide, keyWide) }
func BenchmarkTCPExchange32(b *testing.B)    { benchExchange(b, 2, genSmall, keySmall) }
func BenchmarkTCPExchangeText(b *testing.B)  { benchExchange(b, 2, genText, keyText) }
func BenchmarkTCPExchange152(b *testing.B)   { benchExchange(b, 2, genWide, keyWide) }
