//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// programs are built once into a directory that scripts have on their PATH.
var programs = []string{"./cmd/flink-go", "./cmd/jobmanager", "./cmd/taskmanager", "./examples/wordcount", "./examples/nexmark",
	"./examples/scale", "./test/e2e/programs/faulty", "./test/e2e/programs/misbehave"}

var binDir string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "flink-go-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binDir = dir
	build := exec.Command("go", append([]string{"build", "-trimpath", "-o", dir}, programs...)...)
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds:                commands,
	})
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// setup gives a script its own configuration, directories and ports, and ends what it leaves.
func setup(env *testscript.Env) error {
	rest, err := freePort()
	if err != nil {
		return err
	}
	rpc, err := freePort()
	if err != nil {
		return err
	}
	for _, d := range []string{"conf", "log", "pid", "scratch"} {
		if err := os.Mkdir(filepath.Join(env.WorkDir, d), 0o700); err != nil {
			return err
		}
	}
	conf := fmt.Sprintf("jobmanager.rpc.address: 127.0.0.1\njobmanager.rpc.port: %d\nrest.address: 127.0.0.1\nrest.port: %d\nrest.bind-port: %d\n"+
		"io.tmp.dirs: %s\nenv.log.dir: %s\nenv.pid.dir: %s\nheartbeat.interval: 500 ms\nheartbeat.timeout: 5 s\n", rpc, rest, rest,
		filepath.Join(env.WorkDir, "scratch"), filepath.Join(env.WorkDir, "log"), filepath.Join(env.WorkDir, "pid"))
	if err := os.WriteFile(filepath.Join(env.WorkDir, "conf", "flink-conf.yaml"), []byte(conf), 0o600); err != nil {
		return err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("PATH", binDir+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("BIN", binDir)
	env.Setenv("REPO", root)
	env.Setenv("FLINK_CONF_DIR", filepath.Join(env.WorkDir, "conf"))
	env.Setenv("REST", fmt.Sprintf("127.0.0.1:%d", rest))
	env.Setenv("RPC", fmt.Sprintf("127.0.0.1:%d", rpc))
	env.Setenv("HOME", env.WorkDir)
	for _, k := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS"} {
		if out, err := exec.Command("go", "env", k).Output(); err == nil {
			env.Setenv(k, strings.TrimSpace(string(out)))
		}
	}
	env.Defer(func() {
		for _, pid := range processesOf(env.WorkDir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return nil
}

// processesOf finds the processes that carry dir in their command line, environment or open working directory.
func processesOf(dir string) []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		pid, _ := strconv.Atoi(filepath.Base(p))
		if pid == os.Getpid() {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(p, "environ"))
		if strings.HasPrefix(cwd, dir) || bytes.Contains(cmdline, []byte(dir)) || bytes.Contains(environ, []byte(dir)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// leftover fails if a process of this script lives on: P-8. It waits a moment for those that are about to end.
func leftover(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(".")
	err := poll(5*time.Second, func() error {
		if pids := processesOf(dir); len(pids) > 0 {
			var lines []string
			for _, pid := range pids {
				c, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				lines = append(lines, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(c, []byte{0}, []byte(" "))))
			}
			return fmt.Errorf("processes are left:\n%s", strings.Join(lines, "\n"))
		}
		return nil
	})
	ts.Check(err)
}

func poll(d time.Duration, ok func() error) error {
	end := time.Now().Add(d)
	for {
		err := ok()
		if err == nil || time.Now().After(end) {
			return err
		}
		<-time.After(20 * time.Millisecond)
	}
}

func get(ctx context.Context, method, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// httpCmd: http METHOD PATH prints "status\nbody" of an answer of the script's REST server to stdout.
func httpCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: http METHOD PATH")
	}
	code, body, err := get(context.Background(), args[0], "http://"+ts.Getenv("REST")+os.Expand(args[1], ts.Getenv))
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s\n", code, body)
	ts.Check(err)
}

// await: await PATH REGEXP polls the REST server until the answer's body matches (60 s at most).
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await PATH REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	ts.Check(poll(60*time.Second, func() error {
		_, body, err := get(context.Background(), http.MethodGet, "http://"+ts.Getenv("REST")+args[0])
		if err != nil {
			return err
		}
		if !re.MatchString(body) {
			return fmt.Errorf("%s does not match %s:\n%s", args[0], re, body)
		}
		return nil
	}))
}

// jobID: jobid NAME sets $NAME to the job id that the last command printed.
func jobID(ts *testscript.TestScript, neg bool, args []string) {
	id := regexp.MustCompile(`[0-9a-f]{32}`).FindString(ts.ReadFile("stdout"))
	if id == "" {
		ts.Fatalf("no job id in the last output")
	}
	ts.Setenv(args[0], id)
}

// signal: signal SIGNAL jobmanager|taskmanager|worker|client|program sends a signal to one process of that role (the first found).
func signal(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: signal SIGNAL ROLE")
	}
	sig := map[string]syscall.Signal{"KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT}[args[0]]
	if sig == 0 {
		ts.Fatalf("unknown signal %s", args[0])
	}
	dir := ts.MkAbs(".")
	ts.Check(poll(10*time.Second, func() error {
		for _, pid := range processesOf(dir) {
			if role(pid) == args[1] {
				return syscall.Kill(pid, sig)
			}
		}
		return fmt.Errorf("no process is a %s", args[1])
	}))
}

func role(pid int) string {
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	switch {
	case bytes.Contains(environ, []byte("FLINKGO_ROLE=worker")):
		return "worker"
	case bytes.Contains(cmdline, []byte("flink-go\x00run\x00")):
		return "client"
	case bytes.Contains(environ, []byte("FLINKGO_ROLE=submit")):
		return "program"
	case bytes.Contains(cmdline, []byte("taskmanager")):
		return "taskmanager"
	case bytes.Contains(cmdline, []byte("jobmanager")):
		return "jobmanager"
	case bytes.HasPrefix(cmdline, []byte("scale\x00")) || bytes.Contains(cmdline, []byte("/scale\x00")):
		return "embedded"
	}
	return ""
}

// wordSum: wordsum FILE COUNT CHECKSUM compares the JSON line of a workload.
func wordSum(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: wordsum FILE COUNT CHECKSUM")
	}
	var got struct {
		Count    int64  `json:"count"`
		Checksum string `json:"checksum"`
	}
	text := ts.ReadFile(args[0])
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "{") {
			ts.Check(json.Unmarshal([]byte(l), &got))
		}
	}
	if strconv.FormatInt(got.Count, 10) != args[1] || got.Checksum != args[2] {
		ts.Check(errors.New("count and checksum are " + fmt.Sprint(got) + " in " + text))
	}
}
