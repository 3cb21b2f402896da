package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/core"
)

// spawned is a process of a cluster that this process started.
type spawned struct {
	cmd      *exec.Cmd
	ready    Ready
	lifeline *os.File      // nil unless asked for; closing it ends the process
	exited   chan struct{} // closed when it has ended
}

// spawn describes a process to start.
type spawn struct {
	command  []string // executable and first arguments
	args     []string
	defines  []string // configuration as key=value; not in the arguments, which every user can read (SEC-18)
	environ  []string
	out      string // file for standard output and error, appended to
	lifeline bool   // end it with this process
}

// start runs the process in a session of its own and waits until it says that it is up. A process that ends instead
// is an error with the last it said.
func (s spawn) start(ctx context.Context) (*spawned, error) {
	fail := func(err error) (*spawned, error) {
		return nil, core.E("start process", core.Unavailable, filepath.Base(s.command[len(s.command)-1]), err)
	}
	out, err := os.OpenFile(s.out, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = out.Close() }() // the child has its own
	said, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return fail(err)
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer func() { _ = readyR.Close() }()

	defines, err := json.Marshal(s.defines)
	if err != nil {
		return fail(errors.Join(err, readyW.Close()))
	}
	// The context must not end a process that is to outlive this one.
	cmd := exec.Command(s.command[0], slices.Concat(s.command[1:], s.args)...) //nolint:noctx // see above
	cmd.Env = slices.Concat(s.environ, []string{envReadyFD + "=3", envDefines + "=" + string(defines)})
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{readyW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	p := &spawned{cmd: cmd, exited: make(chan struct{})}
	var lifelineR *os.File
	if s.lifeline {
		if lifelineR, p.lifeline, err = os.Pipe(); err != nil {
			_ = readyW.Close()
			return fail(err)
		}
		cmd.Env = append(cmd.Env, envLifelineFD+"=4")
		cmd.ExtraFiles = append(cmd.ExtraFiles, lifelineR)
	}
	err = cmd.Start()
	_ = readyW.Close()
	if lifelineR != nil {
		_ = lifelineR.Close()
	}
	if err != nil {
		return fail(err)
	}
	go func() { // ends with the process
		_ = cmd.Wait()
		close(p.exited)
	}()

	stop := context.AfterFunc(ctx, func() { _ = readyR.SetReadDeadline(time.Now()) })
	defer stop()
	if err := json.NewDecoder(readyR).Decode(&p.ready); err != nil {
		p.kill()
		if ctx.Err() != nil {
			return fail(context.Cause(ctx))
		}
		return fail(errors.New(lastWords(s.out, said)))
	}
	return p, nil
}

// lastWords is what a process wrote to its output since offset, without what is not news.
func lastWords(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return "it ended at once, and its output cannot be read: " + err.Error()
	}
	defer func() { _ = f.Close() }()
	b, _ := io.ReadAll(io.NewSectionReader(f, offset, 64<<10))
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return "it ended at once and said nothing"
	}
	return string(b)
}

// kill ends the process with all that is in its session's group, at once.
func (p *spawned) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// member is a process of a cluster as it is remembered in a file.
type member struct {
	PID   int    `json:"pid"`
	Start string `json:"start,omitempty"` // tells the process from a later one of the same number
}

func memberOf(pid int) member { return member{pid, startOf(pid)} }

// alive tells whether the process still is that process.
func (m member) alive() bool {
	return syscall.Kill(m.PID, 0) == nil && (m.Start == "" || m.Start == startOf(m.PID))
}

// startOf is when a process started, in ticks since boot; "" where that is not known, or the process is gone or a
// zombie.
func startOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The second field, the name in parentheses, may hold anything; the state follows it.
	i := bytes.LastIndexByte(b, ')')
	const state, starttime = 0, 19
	fields := strings.Fields(string(b[i+1:]))
	if len(fields) <= starttime || fields[state] == "Z" {
		return "gone"
	}
	return fields[starttime]
}

// endAll sends SIGTERM to all, and SIGKILL to the groups of those that are still there after grace.
func endAll(members []member, grace time.Duration) error {
	for _, m := range members {
		if m.alive() {
			_ = syscall.Kill(m.PID, syscall.SIGTERM)
		}
	}
	deadline := time.Now().Add(grace)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		left := members[:0:0]
		for _, m := range members {
			if m.alive() {
				left = append(left, m)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if now.After(deadline.Add(time.Second)) {
			return fmt.Errorf("process %d does not end", left[0].PID)
		}
		if now.After(deadline) {
			for _, m := range left {
				_ = syscall.Kill(-m.PID, syscall.SIGKILL)
			}
		}
	}
	return nil
}
