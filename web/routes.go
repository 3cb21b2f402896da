package web

import "net/http"

// routes is the whole API. Paths are matched in this order, so what is fixed comes before what is a parameter.
func (s *Server) routes() []route {
	const (
		get    = http.MethodGet
		post   = http.MethodPost
		patch  = http.MethodPatch
		put    = http.MethodPut
		remove = http.MethodDelete

		job    = "/jobs/:jobid"
		vertex = job + "/vertices/:vertexid"
		tm     = "/taskmanagers/:taskmanagerid"
	)
	return []route{
		{get, "/", s.index},
		{get, "/index.html", s.index},
		{get, "/style.css", s.style},

		{get, "/overview", s.overview},
		{get, "/config", s.config},
		{remove, "/cluster", s.shutDown},
		{get, "/datasets", s.dataSets},

		{get, "/jobs", s.listJobs},
		{post, "/jobs", s.submit},
		{get, "/jobs/overview", s.jobsOverview},
		{get, "/jobs/metrics", s.noMetrics},
		{get, job, s.job},
		{patch, job, s.cancel},
		{get, job + "/yarn-cancel", s.cancelByGet},
		{get, job + "/yarn-stop", s.stopGone},
		{get, job + "/status", s.jobStatus},
		{get, job + "/progress", s.progress},
		{get, job + "/execution-result", s.executionResult},
		{get, job + "/plan", s.plan},
		{get, job + "/config", s.jobConfig},
		{get, job + "/exceptions", s.exceptions},
		{get, job + "/accumulators", s.jobAccumulators},
		{get, job + "/metrics", s.jobMetrics},
		{get, job + "/checkpoints", s.noCheckpoints},
		{get, job + "/checkpoints/config", s.noCheckpoints},
		{post, job + "/checkpoints", s.noSavepoints},
		{post, job + "/savepoints", s.noSavepoints},
		{post, job + "/stop", s.noSavepoints},
		{get, job + "/resource-requirements", s.noRescaling},
		{put, job + "/resource-requirements", s.noRescaling},
		{get, job + "/jobmanager/config", s.jobManagerConfigOfJob},

		{get, vertex, s.vertex},
		{get, vertex + "/accumulators", s.vertexAccumulators},
		{get, vertex + "/backpressure", s.backpressure},
		{get, vertex + "/flamegraph", s.noFlameGraph},
		{get, vertex + "/jm-operator-metrics", s.noMetrics},
		{get, vertex + "/metrics", s.vertexMetrics},
		{get, vertex + "/subtasks/accumulators", s.subtasksAccumulators},
		{get, vertex + "/subtasks/metrics", s.subtasksMetrics},
		{get, vertex + "/subtasks/:subtaskindex", s.subtask},
		{get, vertex + "/subtasks/:subtaskindex/metrics", s.subtaskMetrics},
		{get, vertex + "/subtasks/:subtaskindex/attempts/:attempt", s.attempt},
		{get, vertex + "/subtasks/:subtaskindex/attempts/:attempt/accumulators", s.attemptAccumulators},
		{get, vertex + "/subtasktimes", s.subtaskTimes},
		{get, vertex + "/taskmanagers", s.vertexTaskManagers},
		{get, vertex + "/watermarks", s.noMetrics},

		{get, "/blobs/:key", s.blob},
		{get, "/jars", s.listJars},
		{post, "/jars/upload", s.uploadJar},
		{remove, "/jars/:jarid", s.deleteJar},
		{get, "/jars/:jarid/plan", s.planJar},
		{post, "/jars/:jarid/plan", s.planJar},
		{post, "/jars/:jarid/run", s.runJar},

		{get, "/jobmanager/config", s.jobManagerConfig},
		{get, "/jobmanager/environment", s.environment},
		{get, "/jobmanager/metrics", s.jobManagerMetrics},
		{get, "/jobmanager/logs", s.jobManagerLogs},
		{get, "/jobmanager/log", s.jobManagerLog},
		{get, "/jobmanager/stdout", s.jobManagerStdout},
		{get, "/jobmanager/logs/:filename", s.jobManagerLogFile},
		{get, "/jobmanager/thread-dump", s.jobManagerThreadDump},

		{get, "/taskmanagers", s.taskManagers},
		{get, "/taskmanagers/metrics", s.noMetrics},
		{get, tm, s.taskManager},
		{get, tm + "/metrics", s.taskManagerMetrics},
		{get, tm + "/logs", s.taskManagerLogs},
		{get, tm + "/log", s.taskManagerLog},
		{get, tm + "/stdout", s.taskManagerStdout},
		{get, tm + "/logs/:filename", s.taskManagerLogFile},
		{get, tm + "/thread-dump", s.taskManagerThreadDump},
	}
}
