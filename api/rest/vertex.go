package rest

import "github.com/flink-go/flink-go/core"

// VertexDetails is GET /jobs/:jobid/vertices/:vertexid.
type VertexDetails struct {
	ID             core.VertexID `json:"id"`
	Name           string        `json:"name"`
	Parallelism    int           `json:"parallelism"`
	MaxParallelism int           `json:"maxParallelism"`
	Now            int64         `json:"now"`
	Subtasks       []Subtask     `json:"subtasks"`
	Aggregated     Aggregated    `json:"aggregated"`
}

// Subtask is one subtask with its current attempt, or one attempt of it.
type Subtask struct {
	Subtask        int              `json:"subtask"`
	Status         string           `json:"status"`
	Attempt        int              `json:"attempt"`
	Endpoint       string           `json:"endpoint"`
	StartTime      int64            `json:"start-time"`
	EndTime        int64            `json:"end-time"`
	Duration       int64            `json:"duration"`
	Metrics        IOMetrics        `json:"metrics"`
	TaskManager    string           `json:"taskmanager-id"`
	StatusDuration map[string]int64 `json:"status-duration"` // ms by state, -1: not reached
	StartTimeAgain int64            `json:"start_time"`      // the dashboard reads this spelling
}

// Aggregated sums up the subtasks of a vertex. The dashboard wants all of it or nothing.
type Aggregated struct {
	Metrics        map[string]Distribution `json:"metrics"`
	StatusDuration map[string]Distribution `json:"status-duration"`
}

// Distribution is a summary of one number per subtask.
type Distribution struct {
	Min    int64 `json:"min"`
	Max    int64 `json:"max"`
	Avg    int64 `json:"avg"`
	Sum    int64 `json:"sum"`
	Median int64 `json:"median"`
	P25    int64 `json:"p25"`
	P75    int64 `json:"p75"`
	P95    int64 `json:"p95"`
}

// SubtaskTimes is GET /jobs/:jobid/vertices/:vertexid/subtasktimes.
type SubtaskTimes struct {
	ID       core.VertexID `json:"id"`
	Name     string        `json:"name"`
	Now      int64         `json:"now"`
	Subtasks []SubtaskTime `json:"subtasks"`
}

// SubtaskTime says when a subtask entered each state.
type SubtaskTime struct {
	Subtask    int              `json:"subtask"`
	Endpoint   string           `json:"endpoint"`
	Duration   int64            `json:"duration"`
	Timestamps map[string]int64 `json:"timestamps"` // 0: never
}

// VertexTaskManagers is GET /jobs/:jobid/vertices/:vertexid/taskmanagers.
type VertexTaskManagers struct {
	ID           core.VertexID       `json:"id"`
	Name         string              `json:"name"`
	Now          int64               `json:"now"`
	TaskManagers []VertexTaskManager `json:"taskmanagers"`
}

// VertexTaskManager is the share of a vertex that one TaskManager runs.
type VertexTaskManager struct {
	Endpoint     string         `json:"endpoint"` // "(unassigned)" for subtasks without a slot
	Status       string         `json:"status"`
	StartTime    int64          `json:"start-time"`
	EndTime      int64          `json:"end-time"`
	Duration     int64          `json:"duration"`
	Metrics      IOMetrics      `json:"metrics"`
	StatusCounts map[string]int `json:"status-counts"`
	TaskManager  string         `json:"taskmanager-id"`
	Aggregated   Aggregated     `json:"aggregated"`
}

// VertexAccumulators is GET /jobs/:jobid/vertices/:vertexid/accumulators.
type VertexAccumulators struct {
	ID   core.VertexID `json:"id"`
	User []Accumulator `json:"user-accumulators"`
}

// SubtasksAccumulators is GET /jobs/:jobid/vertices/:vertexid/subtasks/accumulators.
type SubtasksAccumulators struct {
	ID          core.VertexID         `json:"id"`
	Parallelism int                   `json:"parallelism"`
	Subtasks    []SubtaskAccumulators `json:"subtasks"`
}

// SubtaskAccumulators are the accumulators of one attempt of a subtask.
type SubtaskAccumulators struct {
	Subtask  int           `json:"subtask"`
	Attempt  int           `json:"attempt"`
	Endpoint string        `json:"endpoint"`
	User     []Accumulator `json:"user-accumulators"`
}

// AttemptAccumulators is GET /jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex/attempts/:attempt/accumulators.
type AttemptAccumulators struct {
	ID      string        `json:"id"`
	Subtask int           `json:"subtask"`
	Attempt int           `json:"attempt"`
	User    []Accumulator `json:"user-accumulators"`
}

// Backpressure is GET /jobs/:jobid/vertices/:vertexid/backpressure.
type Backpressure struct {
	Status       string                `json:"status"` // "ok"; "deprecated": no sample yet
	LevelOld     string                `json:"backpressureLevel,omitempty"`
	Level        string                `json:"backpressure-level,omitempty"`
	EndTimestamp int64                 `json:"end-timestamp,omitempty"`
	Subtasks     []SubtaskBackpressure `json:"subtasks,omitempty"`
}

// SubtaskBackpressure says how a subtask spends its time.
type SubtaskBackpressure struct {
	Subtask   int     `json:"subtask"`
	Attempt   int     `json:"attempt-number"`
	LevelOld  string  `json:"backpressureLevel"`
	Level     string  `json:"backpressure-level"`
	Ratio     float64 `json:"ratio"`
	IdleRatio float64 `json:"idleRatio"`
	BusyRatio float64 `json:"busyRatio"`
}

// Metric is one entry of a metrics answer, a bare array. Value is missing where ids alone were asked for.
type Metric struct {
	ID    string `json:"id"`
	Value string `json:"value,omitempty"`
}

// AggregatedMetric is one entry of an answer that aggregates over subtasks, TaskManagers or jobs.
type AggregatedMetric struct {
	ID   string   `json:"id"`
	Min  *float64 `json:"min,omitempty"`
	Max  *float64 `json:"max,omitempty"`
	Avg  *float64 `json:"avg,omitempty"`
	Sum  *float64 `json:"sum,omitempty"`
	Skew *float64 `json:"skew,omitempty"`
}
