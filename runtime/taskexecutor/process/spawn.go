package process

import (
	"os/exec"

	"github.com/flink-go/flink-go/internal/landlock"
)

// spawn starts a worker from a thread of its own. The thread lives as long as the worker: the kernel sends a child's
// parent-death signal when the thread that made it ends, not the process. What the thread takes from itself (new
// privileges, signals to others, its umask) the worker does not have either, and each worker is confined by itself.
//
// exited is closed when the process has ended; it is not reaped yet, so that its number stays taken.
func (l *Launcher) spawn(cmd *exec.Cmd, group *cgroup) (exited <-chan struct{}, err error) {
	started, done := make(chan error, 1), make(chan struct{})
	go func() { // ends with the process, which its owner waits for
		defer close(done)
		landlock.Thread(func() {
			err := prepareThread(l.confinement)
			if err == nil {
				leave := group.enter()
				err = cmd.Start()
				leave()
			}
			started <- err
			if err == nil {
				waitExited(cmd.Process.Pid)
			}
		})
	}()
	return done, <-started
}

// confinement is what is taken from workers.
type confinement struct {
	privileges bool // new ones by exec, such as those of setuid programs
	signals    bool // to processes that are not their own; needs privileges to be taken
}

// tryConfine finds out whether workers can be confined here.
func tryConfine(c confinement) (err error) {
	landlock.Thread(func() { err = prepareThread(c) })
	return err
}
