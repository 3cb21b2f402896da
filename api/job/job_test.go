package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/collection"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// A test binary that is started with a role is a program, not a test.
const programVariable = "JOB_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(programVariable) {
	case "":
		goleak.VerifyTestMain(m)
	case "count":
		job.Main("count", count)
	case "faults":
		job.Main("faults", faults)
	case "twice":
		_, _ = job.Execute(context.Background(), "first", count)
		_, err := job.Execute(context.Background(), "second", count)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(job.ExitCode(err))
	}
}

func count(env *stream.Env) {
	words := stream.From(env, collection.Of("to", "be", "or", "not", "to", "be"))
	stream.Discard(stream.Count(stream.KeyBy(words, strings.ToUpper)).UID("count"))
}

func faults(env *stream.Env) {
	env.Parallelism(0)
	stream.Discard(stream.From(env, collection.Of(make(chan int))))
}

// program is this binary as a program in a role.
func program(t *testing.T, name string, environ ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), programVariable+"="+name)
	cmd.Env = append(cmd.Env, environ...)
	return cmd
}

// collect gathers what reaches the end of a stream.
type collect struct {
	mu    sync.Mutex
	items []string
}

func (c *collect) add(s string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append(c.items, s)
	return nil
}

// S-145, S-175, S-223: a program runs by itself, in a cluster of its process, and leaves nothing running.
func TestEmbedded(t *testing.T) {
	var got collect
	r, err := job.Execute(t.Context(), "embedded", func(env *stream.Env) {
		words := stream.From(env, collection.Of("to", "be", "or", "not"))
		upper := stream.Map(stream.KeyBy(words, strings.ToLower).Stream(), strings.ToUpper)
		stream.To(upper, counting(&got))
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != core.JobFinished || len(got.items) != 4 || r.JobID == (core.JobID{}) {
		t.Errorf("result %+v, items %v", r, got.items)
	}
	if n, err := r.Accumulators.Int64("written"); err != nil || n != 4 {
		t.Errorf("accumulator %d, %v", n, err)
	}
	if _, err := r.Accumulators.Int64("none"); core.KindOf(err) != core.NotFound {
		t.Errorf("error %v, want NotFound", err)
	}
}

// counting is a sink with an accumulator.
func counting(c *collect) stream.Sink[string] {
	return func(ctx *stream.RuntimeContext) (stream.Writer[string], error) {
		return &countingWriter{c, ctx.LongCounter("written")}, nil
	}
}

type countingWriter struct {
	*collect
	n *stream.LongCounter
}

func (w *countingWriter) Write(s *string) error { w.n.Add(1); return w.add(strings.Clone(*s)) }
func (w *countingWriter) Flush() error          { return nil }
func (w *countingWriter) Close() error          { return nil }

// S-176, S-188: a failed job is an ExecutionError with the user's error and, for a panic, the user's stack.
func TestEmbeddedFailure(t *testing.T) {
	fail := func(f func(int) error) error {
		_, err := job.Execute(t.Context(), "fails", func(env *stream.Env) {
			stream.ForEach(stream.From(env, collection.Of(1, 2, 3)), f)
		})
		return err
	}
	err := fail(func(int) error { return errors.New("bad record") })
	failed, ok := errors.AsType[*job.ExecutionError](err)
	if !ok || failed.Status != core.JobFailed || !strings.Contains(err.Error(), "bad record") {
		t.Errorf("error %v", err)
	}
	if job.ExitCode(err) != job.ExitFailure {
		t.Errorf("exit code %d", job.ExitCode(err))
	}
	err = fail(func(n int) error { panic(fmt.Sprintf("cannot take %d", n)) })
	failed, ok = errors.AsType[*job.ExecutionError](err)
	if !ok || !strings.Contains(err.Error(), "cannot take ") || !strings.Contains(failed.Stack, "TestEmbeddedFailure") {
		t.Errorf("error %v, stack %s", err, failed.Stack)
	}
}

// A job that sets a restart strategy restarts in an embedded cluster as in any other.
func TestEmbeddedRestart(t *testing.T) {
	var attempts atomic.Int32
	t.Setenv("FLINKGO_SETTINGS", `{"env.log.level":"OFF"}`)
	_, err := job.Execute(t.Context(), "restarts", func(env *stream.Env) {
		env.RestartStrategy(stream.FixedDelay(3, time.Millisecond))
		stream.ForEach(stream.From(env, collection.Of(1)), func(int) error {
			if attempts.Add(1) < 3 {
				return errors.New("not yet")
			}
			return nil
		})
	})
	if err != nil || attempts.Load() != 3 {
		t.Errorf("%d attempts, error %v", attempts.Load(), err)
	}
}

// A port among the job's settings opens the dashboard, which goes with the job.
func TestEmbeddedDashboard(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FLINKGO_SETTINGS", `{"rest.bind-port":"0","io.tmp.dirs":"`+dir+`"}`)
	if _, err := job.Execute(t.Context(), "dashboard", count); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	t.Setenv("FLINKGO_SETTINGS", `{"rest.bind-port":"0","rest.bind-address":"0.0.0.0"}`)
	if _, err := job.Execute(t.Context(), "dashboard", count); err == nil || !strings.Contains(err.Error(), "security.insecure") {
		t.Errorf("error %v", err)
	}
}

// The end of the context cancels the job.
func TestEmbeddedCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := job.Execute(ctx, "canceled", func(env *stream.Env) {
		stream.ForEach(stream.From(env, endless(cancel)), func(int) error { return nil })
	})
	failed, ok := errors.AsType[*job.ExecutionError](err)
	if !ok || failed.Status != core.JobCanceled {
		t.Errorf("error %v", err)
	}
}

// endless is a source without end that calls started with its first record.
func endless(started func()) stream.Source[int] {
	return stream.Source[int]{Name: "endless", Parallelism: 1, Open: func(*stream.RuntimeContext) (stream.Reader[int], error) {
		return &endlessReader{started}, nil
	}}
}

type endlessReader struct{ started func() }

func (r *endlessReader) Next(v *int) (int64, stream.Status, error) {
	r.started()
	*v++
	return stream.NoTimestamp, stream.Record, nil
}
func (r *endlessReader) Close() error { return nil }

// Faults are reported together and start nothing (S-174).
func TestFaults(t *testing.T) {
	_, err := job.Execute(t.Context(), "faults", faults)
	if _, ok := errors.AsType[*job.InvocationError](err); !ok {
		t.Fatalf("error %v, want an InvocationError", err)
	}
	for _, want := range []string{"parallelism 0", "chan int", "job_test.go:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Setenv("FLINKGO_SETTINGS", `{"parallelism.default":"3","pipeline.max-parallelism":"64"}`)
	var got graph.JobConfig
	if _, err := job.Execute(t.Context(), "settings", func(env *stream.Env) {
		got = env.Config()
		count(env)
	}); err != nil {
		t.Fatal(err)
	}
	if got.Parallelism != 3 || got.MaxParallelism != 64 || got.Restart.Type != "none" {
		t.Errorf("config %+v", got)
	}
	for settings, want := range map[string]string{
		`nonsense`:                         "FLINKGO_SETTINGS is not a JSON object",
		`{"parallelism.default":"many"}`:   "parallelism.default",
		`{"restart-strategy.type":"hope"}`: "restart-strategy.type",
	} {
		t.Setenv("FLINKGO_SETTINGS", settings)
		if _, err := job.Execute(t.Context(), "settings", count); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want it to say %q", settings, err, want)
		}
	}
}

func TestUnknownRole(t *testing.T) {
	t.Setenv("FLINKGO_ROLE", "wroker")
	if _, err := job.Execute(t.Context(), "role", count); err == nil || !strings.Contains(err.Error(), `"wroker"`) {
		t.Errorf("error %v", err)
	}
	t.Setenv("FLINKGO_ROLE", "submit")
	t.Setenv("FLINKGO_REST", "")
	if _, err := job.Execute(t.Context(), "role", count); err == nil || !strings.Contains(err.Error(), "FLINKGO_REST") {
		t.Errorf("error %v", err)
	}
}

// plan runs a program in role plan and returns what it wrote to file descriptor 3.
func plan(t *testing.T, name string) (graph.JobGraph, string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := program(t, name, "FLINKGO_ROLE=plan", `FLINKGO_SETTINGS={"parallelism.default":"2"}`)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.ExtraFiles = &stderr, []*os.File{w}
	err = cmd.Start()
	if closeErr := w.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	var g graph.JobGraph
	decodeErr := json.NewDecoder(r).Decode(&g)
	if err := cmd.Wait(); err != nil {
		return g, stderr.String(), err
	}
	return g, stderr.String(), decodeErr
}

func TestPlan(t *testing.T) {
	g, _, err := plan(t, "count")
	if err != nil {
		t.Fatal(err)
	}
	if g.Name != "count" || g.Config.Parallelism != 2 || g.Program.Settings["parallelism.default"] != "2" || len(g.Vertices) == 0 {
		t.Errorf("graph %+v", g)
	}
	again, _, err := plan(t, "count")
	if err != nil || again.Hash != g.Hash {
		t.Errorf("hash %s, then %s (%v)", g.Hash, again.Hash, err)
	}
	if _, stderr, err := plan(t, "faults"); err == nil || !strings.Contains(stderr, "chan int") {
		t.Errorf("error %v, said %q", err, stderr)
	}
}

func TestSubmitWithoutCluster(t *testing.T) {
	cmd := program(t, "count", "FLINKGO_ROLE=submit", "FLINKGO_REST=http://127.0.0.1:1")
	said, err := cmd.CombinedOutput()
	if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != job.ExitFailure || !strings.Contains(string(said), "nothing listens at 127.0.0.1:1") {
		t.Errorf("error %v, said %q", err, said)
	}
}

// B-05: a submitted program is one job.
func TestExecuteTwice(t *testing.T) {
	cmd := program(t, "twice", "FLINKGO_ROLE=submit", "FLINKGO_REST=http://127.0.0.1:1")
	said, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(said), "calls Execute a second time") {
		t.Errorf("error %v, said %q", err, said)
	}
}
