package driver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/runtime/driver"
	"go.uber.org/goleak"
)

// The test binary plays the processes, too, as DRIVER_TEST_ROLE says. A worker opens the FIFO that DRIVER_TEST_FIFO
// names and says hello; that the FIFO ends tells that the worker is gone.
func TestMain(m *testing.M) {
	switch os.Getenv("DRIVER_TEST_ROLE") {
	case "":
		goleak.VerifyTestMain(m)
	case "worker":
		hello()
		wait()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		hello()
		wait()
	case "short":
		hello()
		_, _ = fmt.Fprintln(os.Stdout, "goodbye")
		os.Exit(3)
	case "parent": // starts a worker and waits to be killed
		d, err := driver.NewProcess(config(os.Getenv("DRIVER_TEST_FIFO"), "worker", ""))
		if err != nil {
			panic(err)
		}
		if err := d.StartWorker(context.Background(), "tm-1"); err != nil {
			panic(err)
		}
		wait()
	}
}

// wait blocks until a signal ends the process.
func wait() {
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR1)
	<-never
}

func hello() {
	f, err := os.OpenFile(os.Getenv("DRIVER_TEST_FIFO"), os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, "hello", os.Getenv("DRIVER_TEST_ID"), os.Getenv("HOME"))
}

func config(fifo, role, logs string) driver.ProcessConfig {
	return driver.ProcessConfig{
		Worker:      driver.Worker{Slots: 1},
		Command:     []string{os.Args[0], "-ignored", "{id}"},
		Env:         []string{"DRIVER_TEST_ROLE=" + role, "DRIVER_TEST_FIFO=" + fifo, "DRIVER_TEST_ID={id}"},
		LogDir:      logs,
		StopTimeout: 50 * time.Millisecond,
	}
}

// newFIFO makes a FIFO; read waits for a worker's hello and returns it with a function that waits for its end.
func newFIFO(t *testing.T) (path string, read func() (hello string, ended func())) {
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() (string, func()) {
		f, err := os.Open(path) // waits for a writer
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(f)
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line), func() {
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Error(err)
			}
			_ = f.Close()
		}
	}
}

type exit struct {
	id    core.ResourceID
	cause error
}

func newDriver(t *testing.T, cfg driver.ProcessConfig) (*driver.Process, chan exit) {
	d, err := driver.NewProcess(cfg)
	if err != nil {
		t.Fatal(err)
	}
	exits := make(chan exit, 10) // more than any test has
	d.Watch(func(id core.ResourceID, cause error) { exits <- exit{id, cause} })
	t.Cleanup(func() {
		if err := errors.Join(d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	})
	return d, exits
}

// S-210: a TaskManager is started with its id and nothing else of our environment, and ended on request.
func TestStartAndStop(t *testing.T) {
	fifo, read := newFIFO(t)
	d, exits := newDriver(t, config(fifo, "worker", ""))
	if d.Worker().Slots != 1 {
		t.Errorf("worker %+v", d.Worker())
	}
	if err := d.StartWorker(t.Context(), "tm-1"); err != nil {
		t.Fatal(err)
	}
	got, ended := read()
	if got != "hello tm-1" {
		t.Errorf("it said %q", got)
	}
	if err := d.StartWorker(t.Context(), "tm-1"); core.KindOf(err) != core.AlreadyExists {
		t.Errorf("second start: %v", err)
	}
	d.StopWorker("unknown")
	d.StopWorker("tm-1")
	d.StopWorker("tm-1")
	ended()
	if e := <-exits; e.id != "tm-1" || !strings.Contains(e.cause.Error(), "terminated") {
		t.Errorf("exit %+v", e)
	}
}

func TestExitIsNoticedAtOnce(t *testing.T) {
	fifo, read := newFIFO(t)
	logs := t.TempDir()
	d, exits := newDriver(t, config(fifo, "short", logs))
	if err := d.StartWorker(t.Context(), "tm/1"); err != nil {
		t.Fatal(err)
	}
	_, ended := read()
	ended()
	if e := <-exits; e.id != "tm/1" || !strings.Contains(e.cause.Error(), "exit status 3") {
		t.Errorf("exit %+v", e)
	}
	out, err := os.ReadFile(filepath.Join(logs, "tm_1.out"))
	if err != nil || string(out) != "goodbye\n" {
		t.Errorf("output %q, %v", out, err)
	}
}

// Close leaves nothing behind, not even who does not want to end.
func TestCloseKills(t *testing.T) {
	fifo, read := newFIFO(t)
	d, exits := newDriver(t, config(fifo, "stubborn", ""))
	if err := d.StartWorker(t.Context(), "tm-1"); err != nil {
		t.Fatal(err)
	}
	_, ended := read()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if e := <-exits; !strings.Contains(e.cause.Error(), "killed") {
		t.Errorf("exit %+v", e)
	}
	ended()
	if err := d.StartWorker(t.Context(), "tm-2"); core.KindOf(err) != core.Unavailable {
		t.Errorf("start after Close: %v", err)
	}
}

func TestBadCommand(t *testing.T) {
	if _, err := driver.NewProcess(driver.ProcessConfig{}); core.KindOf(err) != core.Invalid {
		t.Errorf("no command: %v", err)
	}
	cfg := config("", "worker", "")
	cfg.Command = []string{"/does/not/exist"}
	d, _ := newDriver(t, cfg)
	if err := d.StartWorker(t.Context(), "tm-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing binary: %v", err)
	}
	cfg = config("", "worker", filepath.Join(t.TempDir(), "nope"))
	d, _ = newDriver(t, cfg)
	if err := d.StartWorker(t.Context(), "tm-1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing log directory: %v", err)
	}
}

func TestStandalone(t *testing.T) {
	var d driver.Driver = driver.Standalone{}
	d.Watch(func(core.ResourceID, error) { t.Error("called") })
	d.StopWorker("x")
	if err := d.StartWorker(t.Context(), "x"); core.KindOf(err) != core.Invalid || d.Worker().Slots != 0 {
		t.Errorf("start: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
