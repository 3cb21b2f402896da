// Package job runs a program: it turns what the program built into a JobGraph and brings it to where it shall run.
//
// The binary of a program is client, embedded cluster and worker in one, and this package decides which by its
// environment (S-145, S-166):
//
//   - FLINKGO_ROLE unset: the job runs here, in an embedded cluster of this process;
//   - submit: the binary and the graph go to the JobManager at FLINKGO_REST, and this process follows the job;
//   - plan: the JobGraph goes to file descriptor 3 and the process ends;
//   - worker: a TaskManager started this process to run subtasks of a job; Execute becomes the task loop.
//
// FLINKGO_SETTINGS, a JSON object of configuration keys, and the file in FLINK_CONF_DIR set what the program leaves
// open; flags belong to the program alone.
//
// All of a program before Execute is its pre-flight phase (S-143): it runs in the client and again in each worker,
// and has to build the same graph each time.
//
// Execute may be called from any goroutine, once per process in every role but the embedded one. It is the only
// package of the API that reaches the runtime. Read job.go first.
package job
