package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
)

// The names of the engines in the lines that they print.
const (
	engine = "flink-go"
	flink  = "flink-2.2.1"
)

// runOurs runs one case on a cluster of its own.
func runOurs(ctx context.Context, s settings, c bcase) ([]line, error) {
	switch c.job {
	case "start":
		return startRun(ctx, s, c)
	case "scale":
		return scaleRun(ctx, s, c)
	}
	if c.setup == "embedded" {
		return embeddedRun(ctx, s, c)
	}
	cl, err := startCluster(ctx, s, c.setup)
	if err != nil {
		return nil, err
	}
	defer cl.stop()
	return cl.measure(ctx, s, c)
}

// program is the command line of a workload.
func program(s settings, c bcase) []string {
	p := strconv.Itoa(s.parallelism)
	switch c.job {
	case "wordcount":
		return []string{filepath.Join(s.work, "wordcount"), "--input", s.text, "-p", p, "--json"}
	case "latency":
		return []string{filepath.Join(s.work, "latency"), "--rate", c.rate, "--seconds", strconv.Itoa(s.seconds), "--timeout", strconv.Itoa(s.timeout), "--json"}
	default:
		return []string{filepath.Join(s.work, "nexmark"), "-query", queryOf(c.job), "-events", strconv.FormatInt(s.events, 10), "-p", p, "--json"}
	}
}

func embeddedRun(ctx context.Context, s settings, c bcase) ([]line, error) {
	args := program(s, c)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	busy, start := machineCPU(), time.Now()
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, errs.String())
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	other := (machineCPU() - busy - used.Seconds()) / time.Since(start).Seconds()
	ls, err := parseLines(&out)
	for i := range ls {
		ls[i].Engine, ls[i].Job, ls[i].Setup, ls[i].CPU, ls[i].OtherCores = engine, c.job, c.setup, used.Seconds(), other
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			ls[i].PeakRSS = mustJSON(float64(u.Maxrss) / 1024) // KiB on Linux
		}
	}
	return ls, err
}

func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and maps of numbers only
	}
	return b
}

// machineCPU is the CPU time in seconds that all processes of the machine have used.
func machineCPU() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	var s float64
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		v, _ := strconv.ParseFloat(f[i], 64)
		s += v
	}
	return s / ticksPerSecond
}

type cluster struct {
	dir     string
	url     string
	jm      *exec.Cmd
	tms     []*exec.Cmd
	client  *http.Client
	slotsMs float64
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startCluster starts a JobManager and TaskManagers by hand and returns when their slots are there.
func startCluster(ctx context.Context, s settings, setup string) (*cluster, error) {
	tms, slots := bcase{setup: setup}.taskManagers()
	dir, err := os.MkdirTemp(s.work, "cluster-")
	if err != nil {
		return nil, fmt.Errorf("make cluster directory: %w", err)
	}
	restPort, err := freePort()
	if err != nil {
		return nil, err
	}
	rpcPort, err := freePort()
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("jobmanager.rpc.address: 127.0.0.1\njobmanager.rpc.port: %d\nrest.address: 127.0.0.1\nrest.port: %d\nrest.bind-port: %d\n"+
		"taskmanager.numberOfTaskSlots: %d\nio.tmp.dirs: %s\nenv.log.dir: %s\nenv.pid.dir: %s\n", rpcPort, restPort, restPort, slots, dir, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "flink-conf.yaml"), []byte(conf), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	cl := &cluster{dir: dir, url: fmt.Sprintf("http://127.0.0.1:%d", restPort), client: &http.Client{Timeout: 5 * time.Second}}
	begin := time.Now()
	start := func(name string) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(s.work, name), "--configDir", dir)
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.log", name, len(cl.tms))))
		if err != nil {
			return nil, fmt.Errorf("create log: %w", err)
		}
		defer func() { _ = log.Close() }()
		cmd.Stdout, cmd.Stderr = log, log
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		return cmd, nil
	}
	if cl.jm, err = start("jobmanager"); err != nil {
		return nil, err
	}
	for range tms {
		tm, err := start("taskmanager")
		if err != nil {
			cl.stop()
			return nil, err
		}
		cl.tms = append(cl.tms, tm)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		var o struct {
			Slots int `json:"slots-total"`
		}
		if cl.get(ctx, "/overview", &o) == nil && o.Slots == tms*slots {
			break
		}
		if time.Now().After(deadline) {
			cl.stop()
			return nil, fmt.Errorf("slots of the cluster in %s not ready after 30 s", dir)
		}
		pause(2 * time.Millisecond)
	}
	cl.slotsMs = float64(time.Since(begin).Microseconds()) / 1000
	return cl, nil
}

// pause is a poll interval of a measurement.
func pause(d time.Duration) { <-time.After(d) }

func (cl *cluster) stop() {
	for _, c := range append(cl.tms, cl.jm) {
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	for _, c := range append(cl.tms, cl.jm) {
		t := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		t.Stop()
	}
}

func (cl *cluster) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cl.url+path, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	resp, err := cl.client.Do(req)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}

func (cl *cluster) pids() (all []int) {
	all = append(all, cl.jm.Process.Pid)
	for _, t := range cl.tms {
		all = append(all, t.Process.Pid)
	}
	return all
}

// submit makes the command of `flink-go run` for this cluster.
func (cl *cluster) submit(ctx context.Context, s settings, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.work, "flink-go"), append([]string{"run", "-m", strings.TrimPrefix(cl.url, "http://")}, args...)...)
	cmd.Env = append(os.Environ(), "FLINK_CONF_DIR="+cl.dir)
	return cmd
}

func (cl *cluster) measure(ctx context.Context, s settings, c bcase) ([]line, error) {
	var ls []line
	for run := range 2 { // the first warms page caches and the worker's program up, as the peer's does
		t := watch(cl.pids()...)
		cpu, busy, start := t.cpu(), machineCPU(), time.Now()
		cmd := cl.submit(ctx, s, program(s, c)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		cpu = t.cpu() - cpu
		peak := t.end()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, errs.String())
		}
		if run == 0 && c.job != "latency" {
			continue
		}
		client := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		if ls, err = parseLines(&out); err != nil {
			return nil, err
		}
		for i := range ls {
			ls[i].Engine, ls[i].Job, ls[i].Setup, ls[i].CPU, ls[i].PeakRSS = engine, c.job, c.setup, cpu, mustJSON(peak)
			ls[i].OtherCores = (machineCPU() - busy - cpu - client) / time.Since(start).Seconds()
		}
		break
	}
	return ls, nil
}

// startRun measures what a user waits for: cluster ready, built binary submitted to first result, idle memory.
func startRun(ctx context.Context, s settings, c bcase) ([]line, error) {
	cl, err := startCluster(ctx, s, c.setup)
	if err != nil {
		return nil, err
	}
	defer cl.stop()
	pause(2 * time.Second)
	idle := map[string]float64{"jm": peakRSS(cl.jm.Process.Pid, "VmRSS")}
	for _, tm := range cl.tms {
		idle["tm"] += peakRSS(tm.Process.Pid, "VmRSS")
	}
	l := line{Engine: engine, Job: c.job, Parallelism: s.parallelism, Setup: c.setup, SlotsMs: cl.slotsMs, IdleRSS: mustJSON(idle)}
	begin := time.Now()
	cmd := cl.submit(ctx, s, filepath.Join(s.work, "nexmark"), "-query", "q0", "-events", "1000000", "-p", strconv.Itoa(s.parallelism), "--json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, errs.String())
	}
	var r struct {
		First int64 `json:"first_result_unix_nanos"`
	}
	if err := json.Unmarshal(out.Bytes()[max(bytes.IndexByte(out.Bytes(), '{'), 0):], &r); err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	l.FirstMs = float64(r.First-begin.UnixNano()) / 1e6
	return []line{l}, nil
}

// scaleRun measures submit to all RUNNING and cancel to CANCELED of five vertices with all-to-all edges.
func scaleRun(ctx context.Context, s settings, c bcase) ([]line, error) {
	cl, err := startCluster(ctx, s, c.setup)
	if err != nil {
		return nil, err
	}
	defer cl.stop()
	p, err := strconv.Atoi(c.scale)
	if err != nil {
		return nil, fmt.Errorf("scale %q: %w", c.scale, err)
	}
	client, err := rest.New(cl.url, rest.Options{})
	if err != nil {
		return nil, fmt.Errorf("reach cluster: %w", err)
	}
	defer client.Close()
	st0, _ := readStat(cl.jm.Process.Pid)
	begin := time.Now()
	cmd := cl.submit(ctx, s, "-d", filepath.Join(s.work, "scale"), "-p", c.scale)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, errs.String())
	}
	_, text, _ := strings.Cut(strings.TrimSpace(out.String()), "JobID ")
	id, err := core.ParseJobID(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("read output of run -d: %w", err)
	}
	job := func(want func(state string, running int) bool) error {
		for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); pause(10 * time.Millisecond) {
			d, err := client.Job(ctx, id)
			if err != nil {
				return err
			}
			running := 0
			for _, v := range d.Vertices {
				running += v.Tasks["RUNNING"]
			}
			if want(d.State.String(), running) {
				return nil
			}
		}
		return fmt.Errorf("job %s did not get there in 3 minutes", id)
	}
	l := line{Engine: engine, Job: c.job, Parallelism: p, Setup: c.setup}
	if err := job(func(_ string, running int) bool { return running == 5*p }); err != nil {
		return nil, err
	}
	l.RunningMs = float64(time.Since(begin).Milliseconds())
	st1, _ := readStat(cl.jm.Process.Pid)
	l.JMCPU = st1.own - st0.own
	pause(3 * time.Second)
	rss := map[string]float64{"jm": peakRSS(cl.jm.Process.Pid, "VmHWM")}
	for _, m := range watchOnce(cl.tms[0].Process.Pid) {
		rss["tm"] += peakRSS(m.pid, "VmHWM")
	}
	l.PeakRSS = mustJSON(rss)
	begin = time.Now()
	if err := client.Cancel(ctx, id); err != nil {
		return nil, err
	}
	if err := job(func(state string, _ int) bool { return state == "CANCELED" }); err != nil {
		return nil, err
	}
	l.CancelMs = float64(time.Since(begin).Milliseconds())
	return []line{l}, nil
}

func watchOnce(root int) []stat { return (&tree{roots: []int{root}}).members() }
