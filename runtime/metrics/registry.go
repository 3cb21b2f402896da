package metrics

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	pb "github.com/flink-go/flink-go/rpc/proto"
)

// The kinds of metrics, as they travel.
const (
	KindCounter = "counter"
	KindGauge   = "gauge"
)

// Registry holds the metrics of a process.
type Registry struct {
	mu        sync.Mutex
	counters  map[name]*Counter
	gauges    map[name]func() float64
	providers map[int]func() []*pb.Metric
	next      int // key of the next provider
}

type name struct{ scope, name string }

// NewRegistry makes an empty registry.
func NewRegistry() *Registry {
	return &Registry{
		counters:  make(map[name]*Counter),
		gauges:    make(map[name]func() float64),
		providers: make(map[int]func() []*pb.Metric),
	}
}

// Counter is a number that rises.
type Counter struct{ n atomic.Uint64 }

// Add raises the counter.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value is what was added up.
func (c *Counter) Value() uint64 { return c.n.Load() }

// Counter returns the counter of a name, made on first use.
func (r *Registry) Counter(scope, metric string) *Counter {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := name{scope, metric}
	c := r.counters[k]
	if c == nil {
		c = &Counter{}
		r.counters[k] = c
	}
	return c
}

// Gauge registers a function that tells a value when it is asked for; it replaces one of the same name. remove takes
// it away again.
func (r *Registry) Gauge(scope, metric string, value func() float64) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := name{scope, metric}
	r.gauges[k] = value
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.gauges, k)
	}
}

// Provider registers a function that tells many metrics at once, as a TaskExecutor does for what its workers
// reported. It must be quick and safe for concurrent use. remove takes it away again.
func (r *Registry) Provider(metrics func() []*pb.Metric) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	k := r.next
	r.providers[k] = metrics
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.providers, k)
	}
}

// Dump lists all metrics, by scope and name. Values that are no numbers are left out.
func (r *Registry) Dump() *pb.MetricDump {
	r.mu.Lock()
	var all []*pb.Metric
	for k, c := range r.counters {
		all = append(all, &pb.Metric{Scope: k.scope, Name: k.name, Value: float64(c.Value()), Kind: KindCounter})
	}
	gauges := make(map[name]func() float64, len(r.gauges))
	maps.Copy(gauges, r.gauges)
	providers := make([]func() []*pb.Metric, 0, len(r.providers))
	for _, p := range r.providers {
		providers = append(providers, p)
	}
	r.mu.Unlock()

	// Foreign functions are called without the lock: they may use the registry.
	for k, g := range gauges {
		all = append(all, &pb.Metric{Scope: k.scope, Name: k.name, Value: g(), Kind: KindGauge})
	}
	for _, p := range providers {
		all = append(all, p()...)
	}
	all = slices.DeleteFunc(all, func(m *pb.Metric) bool { return math.IsNaN(m.GetValue()) || math.IsInf(m.GetValue(), 0) })
	slices.SortFunc(all, func(a, b *pb.Metric) int {
		return cmp.Or(cmp.Compare(a.GetScope(), b.GetScope()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return &pb.MetricDump{Metrics: all}
}
