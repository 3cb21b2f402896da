// Package worker runs the subtasks of one job in one process (S-112, DESIGN: one worker per job and TaskManager).
//
// Host is the worker itself: it deploys tasks, cancels them, hands operator events over and reports. In embedded mode
// a TaskExecutor uses a Host directly. On a cluster the worker is a child process of the TaskManager, made by running
// the user's binary again: RunChild is what the process does instead of the job, serving a Host to the TaskManager
// over an inherited socket with the frames of frame.go. runtime/taskexecutor/process is the other end of it.
//
// Host's methods may be called from any goroutine. A task is one goroutine of its own (runtime/task).
//
// Life cycle of a child: it runs the program's main up to Execute, which calls RunChild with the graph that the program
// built. RunChild reads WorkerStart, compares the graph with the submitted one, answers WorkerReady or WorkerFailed,
// and serves until WorkerStop, or until the socket closes: a worker without its TaskManager ends at once.
package worker
