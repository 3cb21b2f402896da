// Package cluster puts components together into processes, and processes into clusters (S-076, S-086, S-147, S-153).
//
//   - StartJobManager is a JobManager process: blob store, ResourceManager with its driver, Dispatcher, REST.
//   - StartTaskManager is a TaskManager process: TaskExecutor and metrics.
//   - StartEmbedded is both in one process over in-process RPC, with a worker that is the process itself.
//   - Local starts, finds and stops such processes on this machine: session clusters and per-job ones.
//
// Nothing else in the project starts components: whoever needs another arrangement (a test, a driver) uses these
// functions or the components themselves. What is started here is ended here, in reverse order; a Start that fails
// half way ends what it began. All functions and the Close methods may be called from any goroutine.
//
// Everything binds to loopback unless the configuration says otherwise, and then only with authentication or with
// security.insecure (SEC-01). Read process.go for what a process does around its components.
package cluster
