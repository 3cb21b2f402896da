package metrics_test

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/metrics"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func list(d *pb.MetricDump) (out []string) {
	for _, m := range d.GetMetrics() {
		out = append(out, fmt.Sprintf("%s/%s %s %v", m.GetScope(), m.GetName(), m.GetKind(), m.GetValue()))
	}
	return out
}

func TestRegistry(t *testing.T) {
	r := metrics.NewRegistry()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				r.Counter("job", "n").Add(2)
			}
		})
	}
	wg.Wait()
	removeGauge := r.Gauge("", "slots", func() float64 { return float64(r.Counter("job", "n").Value()) / 2 })
	r.Gauge("", "nan", math.NaN)
	removeProvider := r.Provider(func() []*pb.Metric {
		return []*pb.Metric{{Scope: "worker", Name: "x", Value: 1, Kind: metrics.KindGauge}, {Name: "inf", Value: math.Inf(1)}}
	})
	want := []string{"/slots gauge 4000", "job/n counter 8000", "worker/x gauge 1"}
	if got := list(r.Dump()); !slices.Equal(got, want) {
		t.Errorf("dump %q, want %q", got, want)
	}
	removeGauge()
	removeProvider()
	if got := list(r.Dump()); !slices.Equal(got, want[1:2]) {
		t.Errorf("dump %q", got)
	}
}

func TestProcess(t *testing.T) {
	r := metrics.NewRegistry()
	r.Provider(metrics.Process())
	r.Dump() // twice: the load has a window
	have := make(map[string]float64)
	for _, m := range r.Dump().GetMetrics() {
		have[m.GetName()] = m.GetValue()
	}
	for _, name := range []string{"Status.JVM.CPU.Time", "Status.JVM.Memory.Heap.Used", "Status.JVM.Threads.Count", "Status.JVM.Memory.Heap.Max"} {
		if have[name] <= 0 {
			t.Errorf("%s is %v", name, have[name])
		}
	}
	if load := have["Status.JVM.CPU.Load"]; load < 0 || load > 1.5 {
		t.Errorf("load %v", load)
	}
}

// S-208, S-217: the service of a process, on an rpc.Service of its own.
func TestQueryService(t *testing.T) {
	r := metrics.NewRegistry()
	r.Counter("job", "n").Add(7)
	l := rpc.NewLocal("jm-metrics")
	log := slog.New(slog.DiscardHandler)
	q, err := metrics.NewQueryService(l, r, log)
	if err != nil {
		t.Fatal(err)
	}
	gateway := l.Metrics(rpc.Address{Server: "jm-metrics", Endpoint: metrics.EndpointName})
	out, err := gateway.QueryMetrics(t.Context(), &pb.QueryMetricsRequest{})
	if got := list(out.GetDump()); err != nil || !slices.Equal(got, []string{"job/n counter 7"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := metrics.NewQueryService(l, r, log); core.KindOf(err) != core.AlreadyExists {
		t.Errorf("second service: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if _, err := gateway.QueryMetrics(t.Context(), &pb.QueryMetricsRequest{}); core.KindOf(err) != core.Unavailable {
		t.Errorf("query after Close: %v", err)
	}
}

func BenchmarkDump(b *testing.B) { // 100 tasks of 10 metrics
	r := metrics.NewRegistry()
	for i := range 1000 {
		r.Counter(fmt.Sprint("job.vertex.", i/10), fmt.Sprint("metric", i%10))
	}
	for b.Loop() {
		r.Dump()
	}
}
