package process

import (
	"log/slog"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/flink-go/flink-go/internal/landlock"
)

// prepareThread sets on a thread what the worker that it starts is to inherit and this process is not to have: a umask
// of its own, no new privileges by exec, and no signals to processes that are not its own (SEC-16, B-44). None of it
// needs privileges.
//
// A worker has the user of its TaskManager, so this is against accidents and not against malice: a program that wants
// to do harm can still reach the one thread that started it, which is confined as it is, and files.
func prepareThread(c confinement) error {
	if err := unix.Unshare(unix.CLONE_FS); err == nil { // where the kernel refuses, workers have our umask
		unix.Umask(0o077)
	}
	if !c.privileges {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil || !c.signals {
		return err
	}
	return landlock.ScopeThread()
}

// sysProcAttr puts the child into a session and process group of its own and lets it die with the forking thread.
func sysProcAttr(*cgroup) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

func socketPair() ([2]int, error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

// limitProcess sets the limits of a process that has just begun: no core file, and where it has no cgroup a bound on
// its writable memory. The bound is wider than the worker's memory: the Go runtime maps more than it uses.
func limitProcess(pid int, group *cgroup, memory int64, log *slog.Logger) {
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil {
		log.Debug("limiting the core file of a worker", "pid", pid, "cause", err)
	}
	if group != nil || memory <= 0 {
		return
	}
	bound := uint64(memory + max(memory/4, mappedSlack))
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: bound, Max: bound}, nil); err != nil {
		log.Warn("limiting the memory of a worker", "pid", pid, "cause", err)
	}
}

const mappedSlack = 256 << 20

// killGroup kills a process and all that it started, unless they left its process group.
func killGroup(pid int) {
	// ESRCH, that nobody is left, is what is wanted.
	_ = unix.Kill(-pid, unix.SIGKILL)
}

// waitExited returns when the process has ended and leaves it unreaped, so that its number stays taken.
func waitExited(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}
