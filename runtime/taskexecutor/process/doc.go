// Package process runs the workers of a TaskManager as child processes (S-118, SEC-16): it fetches the program of a
// job, runs it in its own session with nothing inherited but a control socket and the data listener, keeps its output
// in files of bounded size, and says in plain words why it ended.
//
// Launcher implements taskexecutor.Workers. Each child has three kinds of goroutines: one that starts it and waits for
// its end, one that reads the control socket (plus the Sender that writes it), one per output stream. All of them end
// before Exited is told. The processes are forked from one thread that lives as long as the Launcher, because a
// child's parent-death signal is tied to the thread that made it.
package process
