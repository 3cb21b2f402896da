package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/internal/landlock"
)

// Limits of a child that runs a program for its plan (SEC-17).
const (
	planDeadline = 30 * time.Second
	planMemory   = 512 << 20
	planGoMemory = 384 << 20 // the collector works harder from here, so that the hard limit is rarely met
	planFiles    = 64
	maxGraph     = 64 << 20
	keptOutput   = 8 << 10
)

// planFD is where a program in role plan writes its JobGraph.
const planFD = 3

// planner runs uploaded programs for their plan, in children that are confined as far as the system can: it is the
// only place where a JobManager runs foreign code.
type planner struct {
	log      *slog.Logger
	slots    chan struct{} // one token per child at once
	deadline time.Duration

	ctx     context.Context // ends at close
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newPlanner(log *slog.Logger, most int) *planner {
	p := &planner{log: log, slots: make(chan struct{}, most), deadline: planDeadline}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// close kills the children and waits for them.
func (p *planner) close() {
	p.stop()
	p.running.Wait()
}

// program is what a child runs.
type program struct {
	file     *os.File
	name     string
	args     []string
	settings map[string]string
}

// run runs a program until it has written its graph.
func (p *planner) run(ctx context.Context, prog program) (*graph.JobGraph, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.deadline, fmt.Errorf("it wrote no plan within %s", p.deadline))
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)() //nolint:contextcheck // Close ends what runs for requests
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, core.E("plan program", core.Unavailable, prog.name, errors.New("other programs are being planned: try again"))
	}
	settings, err := json.Marshal(prog.settings)
	if err != nil {
		return nil, core.E("plan program", core.Internal, prog.name, err)
	}
	type outcome struct {
		plan []byte
		err  error
	}
	done := make(chan outcome, 1) // the child's goroutine never waits for its reader
	p.running.Go(func() {
		// The limits of the child are those of the thread that starts it, which is given up with them.
		landlock.Thread(func() {
			plan, err := p.child(ctx, prog, string(settings))
			done <- outcome{plan, err}
		})
	})
	o := <-done
	if o.err != nil {
		return nil, core.E("plan program", core.UserCode, prog.name, o.err)
	}
	var g graph.JobGraph
	if err := decodeJSON("the plan of "+prog.name, o.plan, &g); err != nil {
		return nil, err
	}
	return &g, nil
}

// child starts the program on the calling thread and collects what it writes.
func (p *planner) child(ctx context.Context, prog program, settings string) ([]byte, error) {
	if err := confineThread(); err != nil {
		p.log.Warn("programs are planned without full confinement", "error", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, executable(prog.file), prog.args...)
	cmd.Args[0] = prog.name
	cmd.Dir = "/"
	cmd.Env = []string{
		"FLINKGO_ROLE=plan", "FLINKGO_SETTINGS=" + settings,
		fmt.Sprintf("GOMEMLIMIT=%d", planGoMemory), "GOMAXPROCS=1", "GOTRACEBACK=single",
	}
	cmd.ExtraFiles = []*os.File{w} // planFD
	out := &tail{most: keptOutput}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	// Grandchildren may hold the pipes open: they are in the group that was killed, but take no chances.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("it cannot be started: %w", err), w.Close())
	}
	if err := limitChild(cmd.Process.Pid); err != nil {
		p.log.Warn("programs are planned without limits", "error", err)
	}
	err = w.Close()
	plan := &limited{most: maxGraph}
	var copied sync.WaitGroup
	copied.Go(func() {
		// It ends with the child's last writer, or when r is closed below.
		_, err := io.Copy(plan, r)
		_ = err // a plan that is cut does not decode
	})
	waitErr := cmd.Wait()
	_ = killGroup(cmd.Process) // whoever the program left behind
	// A writer that escaped its group must not keep the request.
	_ = r.SetReadDeadline(time.Now().Add(time.Second))
	copied.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, withOutput(context.Cause(ctx), out)
	case waitErr != nil:
		return nil, withOutput(fmt.Errorf("it ended before it had a plan: %w", waitErr), out)
	case plan.over:
		return nil, fmt.Errorf("its plan is larger than %d bytes", maxGraph)
	case len(bytes.TrimSpace(plan.b)) == 0:
		return nil, withOutput(errors.New("it ended without calling Execute (or was built without flink-go)"), out)
	}
	return plan.b, err
}

func withOutput(err error, out *tail) error {
	if text := strings.TrimSpace(out.String()); text != "" {
		return fmt.Errorf("%w; its output:\n%s", err, text)
	}
	return err
}

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex // stdout and stderr have a goroutine each
	most int
	b    []byte
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*t.most {
		t.b = append(t.b[:0], t.b[len(t.b)-t.most:]...)
		t.cut = true
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.b
	if len(b) > t.most {
		b = b[len(b)-t.most:]
	}
	s := strings.ToValidUTF8(string(b), "?")
	if t.cut {
		s = "..." + s
	}
	return s
}

// limited keeps what is written up to a bound and swallows the rest.
type limited struct {
	most int
	b    []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || len(l.b)+len(p) > l.most; !l.over {
		l.b = append(l.b, p...)
	}
	return len(p), nil
}
