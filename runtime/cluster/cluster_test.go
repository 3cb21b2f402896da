package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// A test binary that is started with this variable is a process of a cluster.
const verbVariable = "CLUSTER_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(verbVariable) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	switch verb, args := os.Args[1], os.Args[2:]; verb {
	case "jobmanager":
		os.Exit(JobManagerMain(args, os.Environ(), os.Stderr))
	case "taskmanager":
		os.Exit(TaskManagerMain(args, os.Environ(), os.Stderr))
	}
}

func load(t *testing.T, defines ...string) *conf.Config {
	t.Helper()
	c, err := conf.Load("", nil, defines)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// B-17: a directory in use is refused, and the error names the process.
func TestWorkDirIsLocked(t *testing.T) {
	base := t.TempDir()
	first, err := openWorkDir(base, "jm_a")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(first.path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_, err = openWorkDir(base, "jm_a")
	if want := fmt.Sprintf("in use by process %d", os.Getpid()); core.KindOf(err) != core.Conflict || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want it to say %q", err, want)
	}
	if err := first.close(false); err != nil {
		t.Fatal(err)
	}
	again, err := openWorkDir(base, "jm_a")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.close(true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(again.path); !os.IsNotExist(err) {
		t.Errorf("the directory is left behind: %v", err)
	}
	if err := os.Mkdir(filepath.Join(base, "open"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := openWorkDir(base, "open"); core.KindOf(err) != core.PermissionDenied {
		t.Errorf("error %v for a directory that others may read", err)
	}
}

// B-19: a port in use is named, with its user where that is known.
func TestListenPortInUse(t *testing.T) {
	first, err := listen("127.0.0.1", onePort(0), "rest.bind-port")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	port := first.Addr().(*net.TCPAddr).Port
	_, err = listen("127.0.0.1", onePort(port), "rest.bind-port")
	if want := fmt.Sprintf("rest.bind-port: port %d is in use", port); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want it to say %q", err, want)
	}
	if machineHasProc() && !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("error %v, want it to name this process", err)
	}
	second, err := listen("127.0.0.1", conf.Ports{{From: port, To: port + 20}}, "rest.bind-port")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got := second.Addr().(*net.TCPAddr).Port; got == port {
		t.Errorf("port %d twice", got)
	}
}

func machineHasProc() bool { _, err := os.Stat("/proc/net/tcp"); return err == nil }

// SEC-01: what others could reach is not opened without authentication, unless somebody insists.
func TestListenersAreLoopback(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, define := range []string{"rest.bind-address=0.0.0.0", "jobmanager.bind-host=0.0.0.0"} {
		key, _, _ := strings.Cut(define, "=")
		if _, err := StartJobManager(load(t, define), log); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "security.insecure") {
			t.Errorf("%s: error %v, want it to name both keys", define, err)
		}
	}
	if _, err := StartTaskManager(load(t, "taskmanager.bind-host=0.0.0.0"), log); err == nil || !strings.Contains(err.Error(), "taskmanager.bind-host") {
		t.Errorf("error %v", err)
	}
}

func TestParseFlags(t *testing.T) {
	f, err := parseFlags([]string{"-D", "a=1", "-Db=2", "--configDir", "/etc/x"})
	if err != nil || !slices.Equal(f.defines, []string{"a=1", "b=2"}) || f.configDir != "/etc/x" {
		t.Errorf("%+v, %v", f, err)
	}
	for _, bad := range [][]string{{"-D"}, {"--configDir"}, {"start"}, {"-x"}} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestSlotsOf(t *testing.T) {
	job := &graph.JobGraph{Vertices: []graph.JobVertex{
		{Parallelism: 2, SlotSharingGroup: "default"}, {Parallelism: 4, SlotSharingGroup: "default"}, {Parallelism: 3, SlotSharingGroup: "heavy"},
	}}
	if n := SlotsOf(job); n != 7 {
		t.Errorf("%d slots, want 7", n)
	}
}

func TestRestToken(t *testing.T) {
	dir, err := openWorkDir(t.TempDir(), "jm")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.close(true) }()
	log := slog.New(slog.DiscardHandler)
	if token, err := restToken(load(t), dir, log); token != "" || err != nil {
		t.Errorf("token %q, %v", token, err)
	}
	c := load(t, "rest.auth.type=token")
	token, err := restToken(c, dir, log)
	if err != nil || len(token) < 43 {
		t.Fatalf("token of %d characters, %v", len(token), err)
	}
	if again, err := restToken(c, dir, log); again != token || err != nil {
		t.Errorf("another token the second time (%v)", err)
	}
	if err := os.Chmod(filepath.Join(dir.path, "rest.token"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := restToken(c, dir, log); core.KindOf(err) != core.PermissionDenied {
		t.Errorf("error %v for a file that others may read", err)
	}
}

// S-076, S-115: a TaskManager finds its JobManager and brings its slots; both close without a trace.
func TestSessionProcesses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	jm, err := StartJobManager(load(t, "rest.bind-port=0", "jobmanager.rpc.port=0", "process.working-dir="+dir), log)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(jm.Ready().RPC)
	if err != nil {
		t.Fatal(err)
	}
	tm, err := StartTaskManager(load(t, "jobmanager.rpc.port="+port, "taskmanager.numberOfTaskSlots=3", "process.working-dir="+dir), log)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.New(jm.Ready().REST, rest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	waitFor(t, client, func(o rest.Overview) bool { return o.SlotsTotal == 3 && o.SlotsAvailable == 3 && o.TaskManagers == 1 })

	// DELETE /cluster ends the JobManager, and with it the cluster.
	if err := client.ShutDownCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-jm.Done():
	case <-time.After(5 * time.Second):
		t.Error("the JobManager goes on")
	}
	for _, c := range []component{tm, jm} {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func waitFor(t *testing.T, client *rest.Client, ok func(rest.Overview) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		o, err := client.Overview(ctx)
		if err == nil && ok(o) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("overview %+v, %v", o, err)
		case <-tick.C:
		}
	}
}

// localOptions runs this test binary as the processes of a cluster.
func localOptions(t *testing.T, dir string) LocalOptions {
	t.Helper()
	defines := []string{"rest.port=0", "rest.bind-port=0", "jobmanager.rpc.port=0", "io.tmp.dirs=" + dir}
	return LocalOptions{
		Conf:    load(t, append(defines, "env.pid.dir="+dir+"/pid", "env.log.dir="+dir+"/log")...),
		Command: []string{os.Args[0]}, Defines: defines,
		Environ: append(os.Environ(), verbVariable+"=1"),
	}
}

func TestLocalCluster(t *testing.T) {
	o := localOptions(t, t.TempDir())
	o.TaskManagers, o.Slots = 2, 2
	l, err := StartLocal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.New(l.REST, rest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	waitFor(t, client, func(o rest.Overview) bool { return o.SlotsTotal == 4 })
	if found, err := FindLocal(o.Conf); err != nil || found.REST != l.REST || !found.JobManagerRuns() || found.Running() != 2 {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := StartLocal(t.Context(), o); core.KindOf(err) != core.AlreadyExists {
		t.Errorf("a second cluster: %v", err)
	}
	if _, err := StopLocal(o.Conf); err != nil {
		t.Fatal(err)
	}
	if l.JobManagerRuns() || l.Running() != 0 {
		t.Error("processes are left")
	}
	if _, err := os.Stat(l.WorkDir); !os.IsNotExist(err) {
		t.Errorf("the working directory is left: %v", err)
	}
	if left, _ := os.ReadDir(conf.EnvPidDir.Get(o.Conf)); len(left) != 0 {
		t.Errorf("pid files are left: %v", left)
	}
	if _, err := StopLocal(o.Conf); core.KindOf(err) != core.NotFound {
		t.Errorf("error %v, want NotFound", err)
	}
}

// A process that does not start says why, and nothing is left of those that did.
func TestLocalClusterThatDoesNotStart(t *testing.T) {
	o := localOptions(t, t.TempDir())
	o.TaskManagers = 1
	o.Defines = append(o.Defines, "taskmanager.bind-host=0.0.0.0")
	_, err := StartLocal(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "security.insecure") {
		t.Errorf("error %v, want the process's own", err)
	}
	if _, err := FindLocal(o.Conf); core.KindOf(err) != core.NotFound {
		t.Errorf("error %v, want NotFound", err)
	}
}

// S-154, S-162: a per-job cluster ends with whoever started it and leaves nothing.
func TestPerJobCluster(t *testing.T) {
	dir := t.TempDir()
	p, err := StartPerJob(t.Context(), localOptions(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.New(p.REST(), rest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Overview(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
