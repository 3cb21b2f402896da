package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// line is one run of one engine, with the fields that the peers print.
type line struct {
	Engine      string          `json:"engine"`
	Job         string          `json:"job"`
	Parallelism int             `json:"parallelism"`
	Setup       string          `json:"setup"` // TaskManagers x slots, or "embedded"
	Events      float64         `json:"events,omitempty"`
	Count       int64           `json:"count,omitempty"`
	Checksum    string          `json:"checksum,omitempty"`
	Seconds     float64         `json:"seconds,omitempty"`
	EventsPerS  float64         `json:"events_per_s,omitempty"`
	CPU         float64         `json:"cpu_s,omitempty"`
	PeakRSS     json.RawMessage `json:"peak_rss_mib,omitempty"` // {"jm":..,"tm":..}, or one number
	Latency     *latency        `json:"latency,omitempty"`
	OtherCores  float64         `json:"other_cores,omitempty"` // used by other programs meanwhile: much of it is no baseline

	// start and scale
	SlotsMs   float64         `json:"slots_ms,omitempty"`
	FirstMs   float64         `json:"first_ms,omitempty"`
	RunningMs float64         `json:"running_ms,omitempty"`
	CancelMs  float64         `json:"cancel_ms,omitempty"`
	JMCPU     float64         `json:"jm_cpu_s,omitempty"`
	IdleRSS   json.RawMessage `json:"idle_rss_mib,omitempty"`
}

type latency struct {
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p99_9_us"`
	Max  float64 `json:"max_us"`
}

func (l line) rss() float64 {
	var one float64
	if json.Unmarshal(l.PeakRSS, &one) == nil {
		return one
	}
	var parts map[string]float64
	if json.Unmarshal(l.PeakRSS, &parts) != nil {
		return 0
	}
	for _, v := range parts {
		one += v
	}
	return one
}

// workloads are the names that may be given. q5panes is q5 beside a Flink program that shares panes by hand.
const workloads = "q0 q1 q2 q3 q5 q5panes q7 q8 q11 q18 q20 wordcount latency start scale"

type settings struct {
	flinkHome, peer, text, expected, out, work string
	events                                     int64
	pairs, parallelism                         int
	setups                                     []string
	seconds, timeout                           int
	rates                                      []string
	scales                                     []string
}

func main() {
	var s settings
	var setups, rates, scales string
	flag.StringVar(&s.flinkHome, "flink-home", os.Getenv("FLINK_HOME"), "directory of a Flink 2.2.1 distribution; empty: flink-go alone")
	flag.StringVar(&s.peer, "peer", "../shared/peers/flink", "directory of the peer's bench.sh and its built jar")
	flag.StringVar(&s.expected, "expected", "../shared/bench/expected.json", "right counts and checksums")
	flag.StringVar(&s.text, "text", "", "directory of the text of wordcount (oracle -words)")
	flag.StringVar(&s.out, "out", "bench-results.jsonl", "file to append one JSON line per run to")
	flag.Int64Var(&s.events, "events", 20_000_000, "Nexmark events")
	flag.IntVar(&s.pairs, "pairs", 3, "runs of each engine, taken in turns")
	flag.IntVar(&s.parallelism, "parallelism", 2, "parallelism")
	flag.IntVar(&s.seconds, "seconds", 20, "seconds of a latency run after 10 s of warm-up")
	flag.IntVar(&s.timeout, "timeout", -1, "buffer timeout in ms of flink-go's latency runs; -1: its default. Flink's is 0, its lowest latency")
	flag.StringVar(&setups, "setups", "1x2,2x1", "TaskManagers x slots, comma-separated")
	flag.StringVar(&rates, "rates", "10000,100000,300000", "records per second of latency runs")
	flag.StringVar(&scales, "scales", "100,500,1000", "parallelisms of scale runs")
	flag.Parse()
	s.setups, s.rates, s.scales = strings.Split(setups, ","), strings.Split(rates, ","), strings.Split(scales, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, jobs []string) error {
	if len(jobs) == 0 {
		return errors.New("name workloads: " + workloads)
	}
	for _, job := range jobs {
		if !slices.Contains(strings.Fields(workloads), job) {
			return fmt.Errorf("unknown workload %q: there are %s", job, workloads)
		}
	}
	if slices.Contains(jobs, "wordcount") && s.text == "" {
		return errors.New("wordcount needs -text: the directory that `oracle -words DIR` wrote")
	}
	expected, err := readExpected(s.expected)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "flink-go-bench-")
	if err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	s.work = work
	if err := buildExamples(ctx, work); err != nil {
		return err
	}
	out, err := os.OpenFile(s.out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open results: %w", err)
	}
	defer func() { _ = out.Close() }()
	var all []line
	take := func(ls []line, err error) error {
		if err != nil {
			return err
		}
		for _, l := range ls {
			if err := expected.check(&l, s); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				continue
			}
			all = append(all, l)
			b, err := json.Marshal(l)
			if err != nil {
				return fmt.Errorf("encode result: %w", err)
			}
			if _, err := fmt.Fprintf(io.MultiWriter(out, os.Stderr), "%s\n", b); err != nil {
				return fmt.Errorf("write result: %w", err)
			}
		}
		return nil
	}
	for _, job := range jobs {
		for _, c := range cases(job, s) {
			for range s.pairs {
				if s.flinkHome != "" && !c.oursOnly {
					if err := take(runFlink(ctx, s, c)); err != nil {
						return fmt.Errorf("flink %s: %w", c, err)
					}
				}
				if err := take(runOurs(ctx, s, c)); err != nil {
					return fmt.Errorf("flink-go %s: %w", c, err)
				}
			}
		}
	}
	report(os.Stdout, all)
	compare(os.Stdout, all)
	return nil
}

// bcase is one workload in one setup.
type bcase struct {
	job, setup string
	rate       string
	timeout    string // Flink's buffer timeout in ms, "" the default
	scale      string
	oursOnly   bool
}

func (c bcase) String() string {
	return strings.TrimSpace(strings.Join([]string{c.job, c.setup, c.rate, c.timeout, c.scale}, " "))
}

// queryOf is the query of a workload: q5 of q5panes.
func queryOf(job string) string { return strings.TrimSuffix(job, "panes") }

func (c bcase) taskManagers() (n, slots int) {
	a, b, _ := strings.Cut(c.setup, "x")
	n, _ = strconv.Atoi(a)
	slots, _ = strconv.Atoi(b)
	return n, slots
}

func cases(job string, s settings) []bcase {
	var cs []bcase
	switch job {
	case "latency":
		for _, r := range s.rates {
			cs = append(cs, bcase{job: job, setup: "2x1", rate: r, timeout: "0"})
		}
	case "start":
		cs = append(cs, bcase{job: job, setup: "1x2"})
	case "scale":
		for _, p := range s.scales {
			cs = append(cs, bcase{job: job, setup: "1x" + p, scale: p})
		}
	default:
		cs = append(cs, bcase{job: job, setup: "embedded", oursOnly: true})
		for _, setup := range s.setups {
			cs = append(cs, bcase{job: job, setup: setup})
		}
	}
	return cs
}

func buildExamples(ctx context.Context, dir string) error {
	for _, p := range []string{"./cmd/flink-go", "./cmd/jobmanager", "./cmd/taskmanager", "./examples/nexmark", "./examples/wordcount", "./examples/latency", "./examples/scale"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, filepath.Base(p)), p)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w", p, err)
		}
	}
	return nil
}

type expectations map[string]json.RawMessage

func readExpected(path string) (expectations, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read expected results: %w", err)
	}
	var e expectations
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("read expected results %s: %w", path, err)
	}
	return e, nil
}

// check compares count and checksum of a result with what the oracle computed.
func (e expectations) check(l *line, s settings) error {
	type result struct {
		Count    int64  `json:"count"`
		Checksum string `json:"checksum"`
	}
	var want result
	switch l.Job {
	case "latency", "start", "scale":
		return nil
	case "wordcount":
		if err := json.Unmarshal(e["wordcount"], &want); err != nil {
			return fmt.Errorf("no expected result of wordcount: %w", err)
		}
	default:
		var byQuery map[string]result
		if err := json.Unmarshal(e[strconv.FormatInt(s.events, 10)], &byQuery); err != nil {
			return fmt.Errorf("no expected results for %d events: %w", s.events, err)
		}
		var ok bool
		if want, ok = byQuery[queryOf(l.Job)]; !ok {
			return fmt.Errorf("no expected result of %s for %d events", l.Job, s.events)
		}
	}
	if got := (result{l.Count, l.Checksum}); got != want {
		return fmt.Errorf("%s %s %s: count and checksum are %+v, want %+v: no figure", l.Engine, l.Job, l.Setup, got, want)
	}
	return nil
}
