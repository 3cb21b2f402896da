package task

import (
	"sync/atomic"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// meter counts what a task does. The task's goroutine writes, any may read. Time is taken only when the task begins
// or ceases to wait.
type meter struct {
	recordsIn, recordsOut operator.Counter
	bytesIn, bytesOut     operator.Counter

	base    time.Time
	idle    atomic.Int64 // nanoseconds of finished waits
	back    atomic.Int64
	since   atomic.Int64 // nanoseconds from base to the begin of the wait under way, 0: none
	forBack atomic.Bool  // that wait is for credits
	begin   atomic.Int64 // of RUNNING, and its end
	finish  atomic.Int64
}

func (m *meter) now() int64 { return max(int64(time.Since(m.base)), 1) }

// entered notes a change of state.
func (m *meter) entered(s core.ExecutionState) {
	switch {
	case s == core.ExecutionRunning:
		m.begin.Store(m.now())
	case s.Terminal():
		m.since.Store(0)
		m.finish.Store(m.now())
	}
}

// resting is called around a wait for work.
func (m *meter) resting(begin bool) { m.wait(begin, false, &m.idle) }

// blocked is called around a wait for credits.
func (m *meter) blocked(begin bool) { m.wait(begin, true, &m.back) }

func (m *meter) wait(begin, back bool, total *atomic.Int64) {
	now := m.now()
	if begin {
		m.forBack.Store(back)
		m.since.Store(now)
		return
	}
	total.Store(total.Load() + now - m.since.Load())
	m.since.Store(0)
}

// read sums up. While a wait ends the figures may be off by that wait, for one reading.
func (m *meter) read(s core.ExecutionState) core.IOMetrics {
	idle, back, since := m.idle.Load(), m.back.Load(), m.since.Load()
	if since > 0 {
		if d := m.now() - since; m.forBack.Load() {
			back += d
		} else {
			idle += d
		}
	}
	var busy int64
	if begin := m.begin.Load(); begin > 0 {
		end := m.finish.Load()
		if !s.Terminal() {
			end = m.now()
		}
		busy = max(end-begin-idle-back, 0)
	}
	const millisecond = int64(time.Millisecond)
	return core.IOMetrics{
		BytesIn: uint64(m.bytesIn.Value()), BytesOut: uint64(m.bytesOut.Value()),
		RecordsIn: uint64(m.recordsIn.Value()), RecordsOut: uint64(m.recordsOut.Value()),
		BusyMillis: busy / millisecond, IdleMillis: idle / millisecond, BackpressuredMillis: back / millisecond,
	}
}

// metric is one metric of an operator; one of counter and gauge is set.
type metric struct {
	operator core.OperatorID
	name     string
	counter  *operator.Counter
	gauge    func() float64
}

func (m metric) read() Metric {
	if m.counter != nil {
		return Metric{m.operator, m.name, "counter", float64(m.counter.Value())}
	}
	return Metric{m.operator, m.name, "gauge", m.gauge()}
}

type metricGroup struct {
	t  *Task
	op core.OperatorID
}

// Counter implements operator.MetricGroup.
func (g metricGroup) Counter(name string) *operator.Counter {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	for _, m := range g.t.metrics {
		if m.operator == g.op && m.name == name && m.counter != nil {
			return m.counter
		}
	}
	c := new(operator.Counter)
	g.t.metrics = append(g.t.metrics, metric{g.op, name, c, nil})
	return c
}

// Gauge implements operator.MetricGroup.
func (g metricGroup) Gauge(name string, value func() float64) {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	g.t.metrics = append(g.t.metrics, metric{g.op, name, nil, value})
}

// accumulator is one accumulator of the subtask.
type accumulator struct {
	name string
	acc  operator.Accumulator
}

// readAccumulators keeps a copy for Report. It runs on the task's goroutine.
func (t *Task) readAccumulators() {
	t.mu.Lock()
	accs := t.accs
	t.accsAsked = false
	t.mu.Unlock()
	if len(accs) == 0 {
		return
	}
	values := make([]core.Accumulator, len(accs))
	for i, a := range accs {
		values[i] = core.Accumulator{Name: a.name, Kind: a.acc.Kind(), Value: a.acc.JSON()}
	}
	t.mu.Lock()
	t.lastAccs = values
	t.mu.Unlock()
}
