package metrics

import (
	"runtime"
	rtmetrics "runtime/metrics"
	"sync"
	"time"

	pb "github.com/flink-go/flink-go/rpc/proto"
)

// Process returns a Provider of what this process uses: CPU, memory, goroutines, garbage collection. The names are
// Flink's where Flink has one, so that its dashboards find them.
func Process() func() []*pb.Metric {
	p := &process{lastAt: time.Now(), lastCPU: cpuTime()}
	return p.metrics
}

// minLoadWindow is the least time over which CPU load is taken; between, the last value is told.
const minLoadWindow = 500 * time.Millisecond

type process struct {
	mu      sync.Mutex
	lastAt  time.Time
	lastCPU time.Duration
	load    float64
}

// cpuLoad is the share of all cores that the process used since the query before.
func (p *process) cpuLoad(cpu time.Duration) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if wall := now.Sub(p.lastAt); wall >= minLoadWindow {
		p.load = float64(cpu-p.lastCPU) / float64(wall) / float64(runtime.NumCPU())
		p.lastAt, p.lastCPU = now, cpu
	}
	return p.load
}

func (p *process) metrics() []*pb.Metric {
	cpu := cpuTime()
	all := []*pb.Metric{
		gauge("Status.JVM.CPU.Load", p.cpuLoad(cpu)),
		gauge("Status.JVM.CPU.Time", float64(cpu.Nanoseconds())),
		gauge("Status.Process.Memory.RSS", float64(residentBytes())),
	}
	for _, m := range []struct {
		name, sample string
		unit         float64
	}{
		{"Status.JVM.Memory.Heap.Used", "/memory/classes/heap/objects:bytes", 1},
		{"Status.JVM.Memory.Heap.Max", "/gc/gomemlimit:bytes", 1},
		{"Status.JVM.Memory.NonHeap.Used", "/memory/classes/heap/stacks:bytes", 1},
		{"Status.Process.Memory.Total", "/memory/classes/total:bytes", 1},
		{"Status.JVM.Threads.Count", "/sched/goroutines:goroutines", 1},
		{"Status.JVM.GarbageCollector.All.Count", "/gc/cycles/total:gc-cycles", 1},
		{"Status.JVM.GarbageCollector.All.Time", "/cpu/classes/gc/total:cpu-seconds", 1000},
	} {
		s := []rtmetrics.Sample{{Name: m.sample}}
		rtmetrics.Read(s)
		switch s[0].Value.Kind() {
		case rtmetrics.KindUint64:
			all = append(all, gauge(m.name, float64(s[0].Value.Uint64())*m.unit))
		case rtmetrics.KindFloat64:
			all = append(all, gauge(m.name, s[0].Value.Float64()*m.unit))
		case rtmetrics.KindBad, rtmetrics.KindFloat64Histogram: // this Go release does not have it
		}
	}
	return all
}

func gauge(metric string, value float64) *pb.Metric {
	return &pb.Metric{Name: metric, Value: value, Kind: KindGauge}
}
