package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/scheduler"
)

// vertexOf finds the vertex that the path names.
func (s *Server) vertexOf(ctx context.Context, q *query) (*graph.JobVertex, *scheduler.ArchivedVertex, error) {
	id, err := q.vertex()
	if err != nil {
		return nil, nil, err
	}
	j, err := s.archived(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	if j.Graph != nil {
		for i := range j.Graph.Vertices {
			if j.Graph.Vertices[i].ID == id && i < len(j.Vertices) {
				return &j.Graph.Vertices[i], &j.Vertices[i], nil
			}
		}
	}
	return nil, nil, status(http.StatusNotFound, "job vertex %s not found", id)
}

func (s *Server) vertex(ctx context.Context, q *query) (any, error) {
	g, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return nil, err
	}
	now := s.now().UnixMilli()
	attempts := currentAttempts(v)
	out := rest.VertexDetails{ID: g.ID, Name: g.Name, Parallelism: g.Parallelism, MaxParallelism: g.MaxParallelism, Now: now,
		Subtasks: make([]rest.Subtask, len(attempts)), Aggregated: aggregate(attempts, now)}
	for i, a := range attempts {
		out.Subtasks[i] = subtaskView(i, a, now)
	}
	return out, nil
}

func (s *Server) subtaskTimes(ctx context.Context, q *query) (any, error) {
	g, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return nil, err
	}
	now := s.now().UnixMilli()
	out := rest.SubtaskTimes{ID: g.ID, Name: g.Name, Now: now, Subtasks: []rest.SubtaskTime{}}
	for i, a := range currentAttempts(v) {
		_, _, duration := span(a, now)
		t := rest.SubtaskTime{Subtask: i, Endpoint: endpointOf(a), Duration: duration, Timestamps: map[string]int64{}}
		for _, state := range core.ExecutionStates() {
			t.Timestamps[state.String()] = a.Timestamps[state]
		}
		out.Subtasks = append(out.Subtasks, t)
	}
	return out, nil
}

func (s *Server) vertexTaskManagers(ctx context.Context, q *query) (any, error) {
	g, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return nil, err
	}
	now := s.now().UnixMilli()
	out := rest.VertexTaskManagers{ID: g.ID, Name: g.Name, Now: now, TaskManagers: []rest.VertexTaskManager{}}
	for _, group := range byTaskManager(currentAttempts(v)) {
		start, end, duration := spanOf(group, now)
		out.TaskManagers = append(out.TaskManagers, rest.VertexTaskManager{
			Endpoint: endpointOf(group[0]), Status: aggregateState(group).String(), StartTime: start, EndTime: end,
			Duration: duration, Metrics: ioMetrics(sumIO(group), true), StatusCounts: counts(group, asIs),
			TaskManager: taskManagerOf(group[0]), Aggregated: aggregate(group, now),
		})
	}
	return out, nil
}

func (s *Server) vertexAccumulators(ctx context.Context, q *query) (any, error) {
	g, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return nil, err
	}
	out := rest.VertexAccumulators{ID: g.ID, User: []rest.Accumulator{}}
	for _, a := range currentAttempts(v) {
		out.User = append(out.User, accumulators(a.Accumulators)...)
	}
	return out, nil
}

func (s *Server) subtasksAccumulators(ctx context.Context, q *query) (any, error) {
	g, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return nil, err
	}
	out := rest.SubtasksAccumulators{ID: g.ID, Parallelism: g.Parallelism, Subtasks: []rest.SubtaskAccumulators{}}
	for i, a := range currentAttempts(v) {
		out.Subtasks = append(out.Subtasks, rest.SubtaskAccumulators{Subtask: i, Attempt: a.Attempt, Endpoint: endpointOf(a), User: accumulators(a.Accumulators)})
	}
	return out, nil
}

// attemptOf finds the subtask that the path names and, if it names an attempt too, that one, else the current one.
func (s *Server) attemptOf(ctx context.Context, q *query) (int, *scheduler.ArchivedAttempt, error) {
	index, err := q.pathInt("subtaskindex")
	if err != nil {
		return 0, nil, err
	}
	number := -1
	if _, named := q.params["attempt"]; named {
		if number, err = q.pathInt("attempt"); err != nil {
			return 0, nil, err
		}
	}
	_, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return 0, nil, err
	}
	if index >= len(v.Subtasks) {
		return 0, nil, status(http.StatusNotFound, "Invalid subtask index %d, the vertex has %d", index, len(v.Subtasks))
	}
	t := &v.Subtasks[index]
	if number < 0 || number == t.Current.Attempt {
		return index, &t.Current, nil
	}
	for i := range t.Prior {
		if t.Prior[i].Attempt == number {
			return index, &t.Prior[i], nil
		}
	}
	return 0, nil, status(http.StatusNotFound, "attempt %d of subtask %d not found", number, index)
}

func (s *Server) subtask(ctx context.Context, q *query) (any, error) {
	i, a, err := s.attemptOf(ctx, q)
	if err != nil {
		return nil, err
	}
	return subtaskView(i, a, s.now().UnixMilli()), nil
}

func (s *Server) attempt(ctx context.Context, q *query) (any, error) { return s.subtask(ctx, q) }

func (s *Server) attemptAccumulators(ctx context.Context, q *query) (any, error) {
	i, a, err := s.attemptOf(ctx, q)
	if err != nil {
		return nil, err
	}
	id := fmt.Sprintf("%s_%d_%d", q.params["vertexid"], i, a.Attempt)
	return rest.AttemptAccumulators{ID: id, Subtask: i, Attempt: a.Attempt, User: accumulators(a.Accumulators)}, nil
}

// Flink's thresholds of a subtask's share of time.
const (
	lowPressure  = 0.1
	highPressure = 0.5
)

func level(ratio float64) string {
	switch {
	case ratio <= lowPressure:
		return "ok"
	case ratio <= highPressure:
		return "low"
	default:
		return "high"
	}
}

// ratios are the shares of its time for which an attempt was held back, idle and busy.
func ratios(io core.IOMetrics) (held, idle, busy float64) {
	total := float64(io.BackpressuredMillis + io.IdleMillis + io.BusyMillis)
	if total == 0 {
		return 0, 0, 0
	}
	return float64(io.BackpressuredMillis) / total, float64(io.IdleMillis) / total, float64(io.BusyMillis) / total
}

// backpressure shows shares over the life of the attempts: the counters that the JobManager has are totals.
func (s *Server) backpressure(ctx context.Context, q *query) (any, error) {
	_, v, err := s.vertexOf(ctx, q)
	if err != nil {
		return nil, err
	}
	out := rest.Backpressure{Status: "deprecated"}
	worst := 0.0
	for i, a := range currentAttempts(v) {
		if a.State != core.ExecutionRunning {
			continue
		}
		held, idle, busy := ratios(a.IO)
		worst = max(worst, held)
		out.Subtasks = append(out.Subtasks, rest.SubtaskBackpressure{Subtask: i, Attempt: a.Attempt, LevelOld: level(held),
			Level: level(held), Ratio: held, IdleRatio: idle, BusyRatio: busy})
	}
	if len(out.Subtasks) > 0 {
		out.Status, out.Level, out.LevelOld, out.EndTimestamp = "ok", level(worst), level(worst), s.now().UnixMilli()
	}
	return out, nil
}

func (s *Server) noFlameGraph(context.Context, *query) (any, error) {
	// -2 is how Flink says that flame graphs are off.
	return map[string]any{"endTimestamp": -2, "data": nil}, nil
}
