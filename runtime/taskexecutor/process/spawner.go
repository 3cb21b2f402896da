package process

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner is the thread that forks all workers. It lives as long as the Launcher: the kernel sends a child's
// parent-death signal when the thread that made it ends, not the process. What the thread sets for itself (no new
// privileges, its own umask) its children inherit.
type spawner struct {
	requests chan spawnRequest // unbuffered: a request is taken when its turn comes
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once
}

type spawnRequest struct {
	cmd *exec.Cmd
	err chan error // capacity 1: the thread does not wait for whoever asked
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawnRequest), stop: make(chan struct{}), done: make(chan struct{})}
	go func() { // ends at close
		defer close(s.done)
		// Never unlocked: the thread ends with the goroutine and takes with it what it set for itself.
		runtime.LockOSThread()
		prepareThread()
		for {
			select {
			case r := <-s.requests:
				r.err <- r.cmd.Start()
			case <-s.stop:
				return
			}
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	r := spawnRequest{cmd, make(chan error, 1)}
	s.requests <- r
	return <-r.err
}

// close ends the thread; no start may be under way or follow.
func (s *spawner) close() {
	s.once.Do(func() { close(s.stop) })
	<-s.done
}
