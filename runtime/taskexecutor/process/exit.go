package process

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/worker"
)

// exit is what is known about the end of a worker.
type exit struct {
	state   *os.ProcessState // nil: not known
	stderr  string           // the end of its standard error
	ready   bool             // it came to Execute
	limit   int64            // of its memory
	over    bool             // the kernel killed it, or a child of it, at its limit
	machine bool             // the kernel killed processes for their memory meanwhile
}

// exitCause says in plain words why a worker that nobody asked to end is gone. Its kind is Lost when
// somebody outside has ended it.
func exitCause(job core.JobID, e exit) *pb.ErrorInfo {
	what, kind := describeExit(e.state), core.UserCode
	signal := killedBy(e.state)
	switch {
	case e.over:
		what = fmt.Sprintf("out of memory: it was killed at its limit of %d MiB", e.limit>>20)
	case signal == syscall.SIGKILL && e.machine:
		what += ", likely by the kernel: the memory of the machine ran out"
	case signal == syscall.SIGKILL || signal == syscall.SIGTERM:
		what += ", by somebody on this machine"
		kind = core.Lost
	case e.state != nil && e.state.Success() && !e.ready:
		what = "it exited with code 0 before Execute: the program ended without running a job"
	case e.state != nil && e.state.Exited() && !e.ready:
		what += " before Execute"
	case e.state != nil && e.state.Success():
		what = "it exited with code 0 without finishing its tasks"
	}
	if hint := fatalHint(e.stderr); hint != "" {
		what, kind = hint+" ("+what+")", core.UserCode
	}
	info := errorInfo(core.E("worker of job", kind, job.String(), errors.New(what)))
	info.Type = "worker exit"
	if e.stderr != "" {
		info.Stack = "from the worker's standard error:\n" + e.stderr
	}
	return info
}

// killedBy returns the signal that ended a process, 0 if it was none.
func killedBy(state *os.ProcessState) syscall.Signal {
	if state != nil {
		if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return ws.Signal()
		}
	}
	return 0
}

// describeExit says how a process ended.
func describeExit(state *os.ProcessState) string {
	if state == nil {
		return "it ended and its exit code is not known"
	}
	if signal := killedBy(state); signal != 0 {
		return fmt.Sprintf("it was killed by signal %d (%s)", int(signal), signal)
	}
	return fmt.Sprintf("it exited with code %d", state.ExitCode())
}

// fatalMarks are how the lines begin that the Go runtime writes before it ends a process, with plain words for them.
// A mark that ends in a space is followed by what happened.
var fatalMarks = [...]struct{ mark, words string }{
	{"fatal error: all goroutines are asleep - deadlock!", "deadlock: all goroutines are asleep"},
	{"fatal error: concurrent map", "concurrent use of a map"},
	{"fatal error: stack overflow", "stack overflow"},
	{"fatal error: runtime: out of memory", "out of memory"},
	{"fatal error: runtime: cannot allocate memory", "out of memory"},
	{"fatal error: out of memory", "out of memory"},
	{"fatal error: ", "fatal error of the Go runtime"},
	{"panic: ", "panic outside of a task's goroutine"},
	{"SIGSEGV: segmentation violation", "segmentation violation"},
}

// fatalStart returns where in text the first line with a mark begins, and its index in fatalMarks; -1 for none.
func fatalStart(text []byte) (at, mark int) { return fatalIndex(string(text)) }

func fatalIndex(text string) (at, mark int) {
	at = -1
	for i, m := range fatalMarks {
		from := 0
		for {
			j := strings.Index(text[from:], m.mark)
			if j < 0 {
				break
			}
			j += from
			if j == 0 || text[j-1] == '\n' {
				// The marks are ordered: of two that begin at the same place the first says more.
				if at < 0 || j < at {
					at, mark = j, i
				}
				break
			}
			from = j + 1
		}
	}
	return at, mark
}

// fatalHint recognizes in the output of a dead worker what the Go runtime said.
func fatalHint(stderr string) string {
	at, mark := fatalIndex(stderr)
	if at < 0 {
		return ""
	}
	m := fatalMarks[mark]
	line, _, _ := strings.Cut(stderr[at:], "\n")
	if strings.HasSuffix(m.mark, " ") {
		return m.words + ": " + worker.Clip(strings.TrimSpace(strings.TrimPrefix(line, m.mark)), 400)
	}
	return m.words
}
