package web

import (
	"cmp"
	"html"
	"maps"
	"slices"
	"strings"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/scheduler"
)

// unassigned is what Flink writes for a task that has no slot.
const unassigned = "(unassigned)"

// endpointOf is the address of the TaskManager that runs an attempt.
func endpointOf(a *scheduler.ArchivedAttempt) string { return cmp.Or(a.Host, unassigned) }

func taskManagerOf(a *scheduler.ArchivedAttempt) string {
	return cmp.Or(string(a.Resource), unassigned)
}

// span is when an attempt was at work: from DEPLOYING until its end, -1 for what did not happen.
func span(a *scheduler.ArchivedAttempt, now int64) (start, end, duration int64) {
	start, end, duration = -1, -1, -1
	if at, ok := a.Timestamps[core.ExecutionDeploying]; ok {
		start = at
	}
	if a.State.Terminal() {
		end = a.Timestamps[a.State]
	}
	switch {
	case start < 0:
	case end >= 0:
		duration = end - start
	default:
		duration = now - start
	}
	return start, end, duration
}

func ioMetrics(io core.IOMetrics, complete bool) rest.IOMetrics {
	return rest.IOMetrics{
		ReadBytes: io.BytesIn, ReadBytesComplete: complete,
		WriteBytes: io.BytesOut, WriteBytesComplete: complete,
		ReadRecords: io.RecordsIn, ReadRecordsComplete: complete,
		WriteRecords: io.RecordsOut, WriteRecordsComplete: complete,
		AccumulatedBackpress: io.BackpressuredMillis, AccumulatedIdleMillis: io.IdleMillis, AccumulatedBusyMillis: io.BusyMillis,
	}
}

func addIO(a, b core.IOMetrics) core.IOMetrics {
	return core.IOMetrics{
		BytesIn: a.BytesIn + b.BytesIn, BytesOut: a.BytesOut + b.BytesOut,
		RecordsIn: a.RecordsIn + b.RecordsIn, RecordsOut: a.RecordsOut + b.RecordsOut,
		BusyMillis: a.BusyMillis + b.BusyMillis, IdleMillis: a.IdleMillis + b.IdleMillis,
		BackpressuredMillis: a.BackpressuredMillis + b.BackpressuredMillis,
	}
}

// counts counts the states of attempts with all ten names present, written by name.
func counts(attempts []*scheduler.ArchivedAttempt, name func(string) string) map[string]int {
	m := map[string]int{}
	for _, s := range core.ExecutionStates() {
		m[name(s.String())] = 0
	}
	for _, a := range attempts {
		m[name(a.State.String())]++
	}
	return m
}

func asIs(s string) string { return s }

// currentAttempts are the current attempts of a vertex by subtask.
func currentAttempts(v *scheduler.ArchivedVertex) []*scheduler.ArchivedAttempt {
	all := make([]*scheduler.ArchivedAttempt, len(v.Subtasks))
	for i := range v.Subtasks {
		all[i] = &v.Subtasks[i].Current
	}
	return all
}

// aggregateState is the state of a vertex or of a TaskManager's share of it: as Flink's, the worst one decides, and
// only all of FINISHED is FINISHED.
func aggregateState(attempts []*scheduler.ArchivedAttempt) core.ExecutionState {
	n := map[core.ExecutionState]int{}
	for _, a := range attempts {
		n[a.State]++
	}
	for _, s := range []core.ExecutionState{core.ExecutionFailed, core.ExecutionCanceling, core.ExecutionCanceled,
		core.ExecutionInitializing, core.ExecutionRunning} {
		if n[s] > 0 {
			return s
		}
	}
	if done := n[core.ExecutionFinished]; done > 0 {
		if done == len(attempts) {
			return core.ExecutionFinished
		}
		return core.ExecutionRunning
	}
	for _, s := range []core.ExecutionState{core.ExecutionDeploying, core.ExecutionScheduled} {
		if n[s] > 0 {
			return s
		}
	}
	return core.ExecutionCreated
}

// spanOf is when a group of attempts was at work: from the first start to the last end.
func spanOf(attempts []*scheduler.ArchivedAttempt, now int64) (start, end, duration int64) {
	start, end, duration = -1, -1, -1
	over := len(attempts) > 0
	for _, a := range attempts {
		s, e, _ := span(a, now)
		if s >= 0 && (start < 0 || s < start) {
			start = s
		}
		if e < 0 {
			over = false
		}
		end = max(end, e)
	}
	if !over {
		end = -1
	}
	switch {
	case start < 0:
	case end >= 0:
		duration = end - start
	default:
		duration = now - start
	}
	return start, end, duration
}

func sumIO(attempts []*scheduler.ArchivedAttempt) core.IOMetrics {
	var sum core.IOMetrics
	for _, a := range attempts {
		sum = addIO(sum, a.IO)
	}
	return sum
}

// jobView is GET /jobs/:jobid.
func jobView(j *scheduler.ArchivedJob, now int64) rest.Job {
	v := rest.Job{
		ID: j.ID, Name: j.Name, State: j.Status, Type: "STREAMING",
		StartTime: j.Start, EndTime: j.End, Duration: durationOf(j, now), MaxParallelism: -1, Now: now,
		Timestamps: map[string]int64{}, StatusCounts: map[string]int{}, Vertices: []rest.Vertex{},
		Plan: planView(j.ID, j.Name, j.Graph),
	}
	if j.Graph != nil {
		v.Type = cmp.Or(j.Graph.Config.RuntimeMode, v.Type)
		if most := j.Graph.Config.MaxParallelism; most > 0 {
			v.MaxParallelism = most
		}
	}
	for _, s := range core.JobStatuses() {
		v.Timestamps[s.String()] = j.Timestamps[s]
	}
	for _, s := range core.ExecutionStates() {
		v.StatusCounts[s.String()] = 0
	}
	for i := range j.Vertices {
		if j.Graph == nil || i >= len(j.Graph.Vertices) {
			break
		}
		x := vertexView(&j.Graph.Vertices[i], &j.Vertices[i], now)
		v.Vertices = append(v.Vertices, x)
		v.StatusCounts[x.Status]++
	}
	return v
}

func durationOf(j *scheduler.ArchivedJob, now int64) int64 {
	if j.End >= 0 {
		return j.End - j.Start
	}
	return now - j.Start
}

func vertexView(g *graph.JobVertex, v *scheduler.ArchivedVertex, now int64) rest.Vertex {
	attempts := currentAttempts(v)
	start, end, duration := spanOf(attempts, now)
	state := aggregateState(attempts)
	return rest.Vertex{
		ID: g.ID, SlotSharingGroup: g.SlotSharingGroup, Name: g.Name,
		MaxParallelism: g.MaxParallelism, Parallelism: g.Parallelism,
		Status: state.String(), StartTime: start, EndTime: end, Duration: duration,
		Tasks: counts(attempts, asIs), Metrics: ioMetrics(sumIO(attempts), true),
	}
}

// planView is the graph of a job for people. Names of users come into a page as text, but Flink's pages take the
// description as HTML, so it is escaped here but for the line breaks that the graph itself made.
func planView(id core.JobID, name string, g *graph.JobGraph) rest.Plan {
	p := rest.Plan{ID: id, Name: name, Type: "STREAMING", Nodes: []rest.PlanNode{}}
	if g == nil {
		return p
	}
	p.Type = cmp.Or(g.Config.RuntimeMode, p.Type)
	for i := range g.Vertices {
		v := &g.Vertices[i]
		n := rest.PlanNode{ID: v.ID, Parallelism: v.Parallelism, Description: escapeDescription(cmp.Or(v.Description, v.Name)),
			OptimizerProperties: map[string]string{}}
		for k, e := range v.Inputs {
			exchange := "pipelined_bounded"
			if p.Type == "BATCH" {
				exchange = "blocking"
			}
			n.Inputs = append(n.Inputs, rest.PlanInput{Num: k, ID: e.Source, ShipStrategy: string(e.Strategy), Exchange: exchange})
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func escapeDescription(s string) string {
	lines := strings.Split(s, "<br/>")
	for i, l := range lines {
		lines[i] = html.EscapeString(html.UnescapeString(l))
	}
	return strings.Join(lines, "<br/>")
}

// statusDuration is how long an attempt was in each state before it ran and while it ran, -1 for one not reached.
func statusDuration(a *scheduler.ArchivedAttempt, now int64) map[string]int64 {
	path := []core.ExecutionState{core.ExecutionCreated, core.ExecutionScheduled, core.ExecutionDeploying,
		core.ExecutionInitializing, core.ExecutionRunning}
	m := map[string]int64{}
	for i, s := range path {
		at, reached := a.Timestamps[s]
		if !reached {
			m[s.String()] = -1
			continue
		}
		until := now
		if a.State.Terminal() {
			until = a.Timestamps[a.State]
		}
		for _, later := range path[i+1:] {
			if next, ok := a.Timestamps[later]; ok {
				until = next
				break
			}
		}
		m[s.String()] = max(0, until-at)
	}
	return m
}

func subtaskView(i int, a *scheduler.ArchivedAttempt, now int64) rest.Subtask {
	start, end, duration := span(a, now)
	return rest.Subtask{
		Subtask: i, Status: a.State.String(), Attempt: a.Attempt, Endpoint: endpointOf(a),
		StartTime: start, EndTime: end, Duration: duration, Metrics: ioMetrics(a.IO, true),
		TaskManager: taskManagerOf(a), StatusDuration: statusDuration(a, now), StartTimeAgain: start,
	}
}

// aggregate sums up subtasks; every name is there even for none, because the dashboard wants all.
func aggregate(attempts []*scheduler.ArchivedAttempt, now int64) rest.Aggregated {
	values := map[string][]int64{}
	durations := map[string][]int64{}
	for _, a := range attempts {
		for name, n := range map[string]int64{
			"read-bytes": int64(a.IO.BytesIn), "write-bytes": int64(a.IO.BytesOut),
			"read-records": int64(a.IO.RecordsIn), "write-records": int64(a.IO.RecordsOut),
			"accumulated-backpressured-time": a.IO.BackpressuredMillis, "accumulated-idle-time": a.IO.IdleMillis,
			"accumulated-busy-time": a.IO.BusyMillis,
		} {
			values[name] = append(values[name], n)
		}
		for name, n := range statusDuration(a, now) {
			durations[name] = append(durations[name], n)
		}
	}
	out := rest.Aggregated{Metrics: map[string]rest.Distribution{}, StatusDuration: map[string]rest.Distribution{}}
	for name, all := range values {
		out.Metrics[name] = distribution(all)
	}
	for name, all := range durations {
		out.StatusDuration[name] = distribution(all)
	}
	return out
}

// distribution summarizes values; their order is lost.
func distribution(values []int64) rest.Distribution {
	if len(values) == 0 {
		return rest.Distribution{}
	}
	slices.Sort(values)
	var sum int64
	for _, v := range values {
		sum += v
	}
	at := func(share float64) int64 { return values[min(len(values)-1, int(share*float64(len(values))))] }
	return rest.Distribution{
		Min: values[0], Max: values[len(values)-1], Sum: sum, Avg: sum / int64(len(values)),
		Median: at(0.5), P25: at(0.25), P75: at(0.75), P95: at(0.95),
	}
}

// byTaskManager groups attempts by where they run, in the order of names.
func byTaskManager(attempts []*scheduler.ArchivedAttempt) [][]*scheduler.ArchivedAttempt {
	groups := map[string][]*scheduler.ArchivedAttempt{}
	for _, a := range attempts {
		groups[taskManagerOf(a)] = append(groups[taskManagerOf(a)], a)
	}
	all := make([][]*scheduler.ArchivedAttempt, 0, len(groups))
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, groups[k])
	}
	return all
}

func accumulators(in []core.Accumulator) []rest.Accumulator {
	out := make([]rest.Accumulator, len(in))
	for i, a := range in {
		out[i] = rest.Accumulator{Name: a.Name, Type: a.Kind, Value: a.Value}
	}
	return out
}

func exceptionView(e *scheduler.ExceptionEntry) rest.Exception {
	x := rest.Exception{
		Name: className(e.Type), Stack: stackOfFailure(&e.FailureInfo), Timestamp: e.At, Labels: map[string]string{},
		Task: e.Task, Endpoint: e.Host, TaskManager: string(e.Resource),
	}
	for i := range e.Concurrent {
		x.Concurrent = append(x.Concurrent, exceptionView(&e.Concurrent[i]))
	}
	return x
}
