package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// maxNames bounds the metric names of one request (B-30).
const maxNames = 1000

// metricNames are the names of ?get=.
func (q *query) metricNames() ([]string, error) {
	names := q.list("get")
	if len(names) > maxNames {
		return nil, invalid("%d metric names in one request, at most %d are answered", len(names), maxNames)
	}
	return names, nil
}

// metricSet is an ordered list of metrics of one subject.
type metricSet struct {
	names  []string
	values map[string]float64
}

func newMetricSet() *metricSet { return &metricSet{values: map[string]float64{}} }

func (m *metricSet) add(name string, v float64) {
	if _, ok := m.values[name]; !ok {
		m.names = append(m.names, name)
	}
	m.values[name] = v
}

// answer lists the ids, or the values of those that were asked for; unknown ones are left out.
func (m *metricSet) answer(names []string) []rest.Metric {
	out := []rest.Metric{}
	if len(names) == 0 {
		for _, n := range m.names {
			out = append(out, rest.Metric{ID: n})
		}
		return out
	}
	for _, n := range names {
		if v, ok := m.values[n]; ok {
			out = append(out, rest.Metric{ID: n, Value: formatMetric(v)})
		}
	}
	return out
}

func formatMetric(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// taskMetrics are the metrics of one attempt that its counters tell, with Flink's names. Rates are means over its
// time, because the counters are totals.
func taskMetrics(a *scheduler.ArchivedAttempt, now int64) *metricSet {
	m := newMetricSet()
	io := a.IO
	m.add("numRecordsIn", float64(io.RecordsIn))
	m.add("numRecordsOut", float64(io.RecordsOut))
	m.add("numBytesIn", float64(io.BytesIn))
	m.add("numBytesOut", float64(io.BytesOut))
	running, _, duration := span(a, now)
	if at, ok := a.Timestamps[core.ExecutionRunning]; ok && running >= 0 {
		duration -= at - running
	}
	perSecond := func(n float64) float64 {
		if duration <= 0 {
			return 0
		}
		return n * 1000 / float64(duration)
	}
	m.add("numRecordsInPerSecond", perSecond(float64(io.RecordsIn)))
	m.add("numRecordsOutPerSecond", perSecond(float64(io.RecordsOut)))
	m.add("numBytesInPerSecond", perSecond(float64(io.BytesIn)))
	m.add("numBytesOutPerSecond", perSecond(float64(io.BytesOut)))
	held, idle, busy := ratios(io)
	m.add("backPressuredTimeMsPerSecond", math.Round(1000*held))
	m.add("idleTimeMsPerSecond", math.Round(1000*idle))
	m.add("busyTimeMsPerSecond", math.Round(1000*busy))
	m.add("accumulateBackPressuredTimeMs", float64(io.BackpressuredMillis))
	m.add("accumulateIdleTimeMs", float64(io.IdleMillis))
	m.add("accumulateBusyTimeMs", float64(io.BusyMillis))
	return m
}

// none turns 404 into the empty list that Flink answers for metrics of what does not exist.
func none(err error) (any, error) {
	if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusNotFound {
		return []rest.Metric{}, nil
	}
	return nil, err
}

func (s *Server) noMetrics(context.Context, *query) (any, error) { return []rest.Metric{}, nil }

func (s *Server) vertexMetrics(ctx context.Context, q *query) (any, error) {
	names, err := q.metricNames()
	if err != nil {
		return nil, err
	}
	_, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return none(err)
	}
	now := s.now().UnixMilli()
	all := newMetricSet()
	for i, a := range currentAttempts(v) {
		m := taskMetrics(a, now)
		for _, n := range m.names {
			all.add(strconv.Itoa(i)+"."+n, m.values[n])
		}
	}
	return all.answer(names), nil
}

func (s *Server) subtaskMetrics(ctx context.Context, q *query) (any, error) {
	names, err := q.metricNames()
	if err != nil {
		return nil, err
	}
	_, a, err := s.attemptOf(ctx, q)
	if err != nil {
		return none(err)
	}
	return taskMetrics(a, s.now().UnixMilli()).answer(names), nil
}

// subtasksMetrics aggregates over the subtasks of a vertex. One unknown name makes Flink's answer empty, and so ours.
func (s *Server) subtasksMetrics(ctx context.Context, q *query) (any, error) {
	names, err := q.metricNames()
	if err != nil {
		return nil, err
	}
	want, err := aggregates(q.list("agg"))
	if err != nil {
		return nil, err
	}
	_, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return none(err)
	}
	chosen, err := chooseSubtasks(q.list("subtasks"), len(v.Subtasks))
	if err != nil {
		return nil, err
	}
	now := s.now().UnixMilli()
	var sets []*metricSet
	for i, a := range currentAttempts(v) {
		if chosen == nil || chosen[i] {
			sets = append(sets, taskMetrics(a, now))
		}
	}
	if len(sets) == 0 {
		return []rest.Metric{}, nil
	}
	if len(names) == 0 {
		return sets[0].answer(nil), nil
	}
	out := []rest.AggregatedMetric{}
	for _, n := range names {
		values := make([]float64, 0, len(sets))
		for _, m := range sets {
			if v, ok := m.values[n]; ok {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return []rest.AggregatedMetric{}, nil
		}
		out = append(out, aggregateMetric(n, values, want))
	}
	return out, nil
}

// aggregates reads ?agg=, all of them if there is none.
func aggregates(names []string) (map[string]bool, error) {
	known := []string{"min", "max", "avg", "sum", "skew"}
	if len(names) == 0 {
		names = known
	}
	want := map[string]bool{}
	for _, n := range names {
		n = strings.ToLower(n)
		if !slices.Contains(known, n) {
			return nil, invalid("Cannot resolve query parameter (agg) from value %q: expected one of %s", show(n), strings.Join(known, ", "))
		}
		want[n] = true
	}
	return want, nil
}

// chooseSubtasks reads ranges such as 0-3,7; nil means all.
func chooseSubtasks(ranges []string, n int) (map[int]bool, error) {
	if len(ranges) == 0 {
		return nil, nil
	}
	chosen := map[int]bool{}
	for _, r := range ranges {
		from, to, isRange := strings.Cut(r, "-")
		lo, err := strconv.ParseUint(from, 10, 31)
		hi := lo
		if err == nil && isRange {
			hi, err = strconv.ParseUint(to, 10, 31)
		}
		if err != nil || hi < lo {
			return nil, invalid("Cannot resolve query parameter (subtasks) from value %q: expected ranges such as 0-3,7", show(r))
		}
		for i := int(lo); i <= int(hi) && i < n; i++ {
			chosen[i] = true
		}
	}
	return chosen, nil
}

func aggregateMetric(name string, values []float64, want map[string]bool) rest.AggregatedMetric {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	mean := sum / float64(len(values))
	m := rest.AggregatedMetric{ID: name}
	pick := func(agg string, v float64) *float64 {
		if !want[agg] {
			return nil
		}
		return &v
	}
	m.Min = pick("min", slices.Min(values))
	m.Max = pick("max", slices.Max(values))
	m.Avg = pick("avg", mean)
	m.Sum = pick("sum", sum)
	m.Skew = pick("skew", skew(values, mean))
	return m
}

// skew is the mean absolute deviation over the mean, in percent, at most 100.
func skew(values []float64, mean float64) float64 {
	if mean == 0 {
		return 0
	}
	deviation := 0.0
	for _, v := range values {
		deviation += math.Abs(v - mean)
	}
	return min(100, 100*deviation/float64(len(values))/mean)
}

func (s *Server) jobMetrics(ctx context.Context, q *query) (any, error) {
	names, err := q.metricNames()
	if err != nil {
		return nil, err
	}
	j, err := s.archived(ctx, q)
	if err != nil {
		return none(err)
	}
	m := newMetricSet()
	m.add("numRestarts", float64(j.Restarts))
	m.add("fullRestarts", float64(j.Restarts))
	uptime := 0.0
	if at := j.Timestamps[core.JobRunning]; j.Status == core.JobRunning && at > 0 {
		uptime = float64(s.now().UnixMilli() - at)
	}
	m.add("uptime", uptime)
	m.add("runningTime", uptime)
	return m.answer(names), nil
}

func (s *Server) jobManagerMetrics(ctx context.Context, q *query) (any, error) {
	names, err := q.metricNames()
	if err != nil {
		return nil, err
	}
	o, err := s.cfg.Dispatcher.RequestClusterOverview(ctx, &pb.RequestClusterOverviewRequest{})
	if err != nil {
		return nil, err
	}
	m := newMetricSet()
	m.add("taskSlotsTotal", float64(o.GetSlotsTotal()))
	m.add("taskSlotsAvailable", float64(o.GetSlotsFree()))
	m.add("numRegisteredTaskManagers", float64(o.GetTaskManagers()))
	m.add("numRunningJobs", float64(o.GetJobsRunning()))
	processMetrics(m)
	return m.answer(names), nil
}
