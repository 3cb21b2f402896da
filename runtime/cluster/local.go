package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
)

// stopGrace is how long a process has to end in good order (Flink's scripts: the same).
const stopGrace = 10 * time.Second

// LocalOptions say what a cluster of processes on this machine shall be.
type LocalOptions struct {
	Conf         *conf.Config
	Command      []string // executable that has the verbs jobmanager and taskmanager
	Environ      []string // of the processes
	ConfigDir    string   // "" for none
	Defines      []string // -D of the processes
	TaskManagers int
	Slots        int // per TaskManager; 0: as configured
}

// Local is a session cluster on this machine that runs in the background. Its file in the folder of pid files is how
// later commands find it.
type Local struct {
	REST         string   `json:"rest"` // http://host:port
	RPC          string   `json:"rpc"`
	JobManager   member   `json:"jobmanager"`
	TaskManagers []member `json:"taskmanagers"`
	WorkDir      string   `json:"workdir"` // removed at the end; "" if it is the user's own
	LogDir       string   `json:"logdir"`
	Slots        int      `json:"slots"` // of all TaskManagers
}

// StartLocal starts a session cluster and returns when its processes are up; TaskManagers may still be registering.
func StartLocal(ctx context.Context, o LocalOptions) (*Local, error) {
	pidDir := conf.EnvPidDir.Get(o.Conf)
	if old, err := FindLocal(o.Conf); err == nil {
		return nil, core.E("start cluster", core.AlreadyExists, "", fmt.Errorf(
			"a cluster runs already: JobManager at %s (pid %d); end it with flink-go cluster stop, or choose another folder for pid files with FLINK_PID_DIR", old.REST, old.JobManager.PID))
	}
	l := &Local{LogDir: LogDir(o.Conf)}
	if err := os.MkdirAll(pidDir, 0o700); err != nil {
		return nil, core.E("start cluster", core.Invalid, "", o.Conf.BadDir(conf.EnvPidDir, err))
	}
	if err := os.MkdirAll(l.LogDir, 0o700); err != nil {
		return nil, core.E("start cluster", core.Invalid, "", o.Conf.BadDir(conf.EnvLogDir, err))
	}
	if conf.ProcessWorkingDir.Get(o.Conf) == "" {
		dir, err := os.MkdirTemp(o.Conf.WorkingDir(), "flink-go-cluster-")
		if err != nil {
			return nil, core.E("start cluster", core.Invalid, "", o.Conf.BadWorkingDir(err))
		}
		l.WorkDir = dir
	}
	if err := l.start(ctx, o); err != nil {
		_ = l.end() // the first error counts
		return nil, err
	}
	if err := l.save(pidDir); err != nil {
		_ = l.end() // the first error counts
		return nil, err
	}
	return l, nil
}

func (l *Local) start(ctx context.Context, o LocalOptions) error {
	jm, err := l.spawn(o, "jobmanager", "standalonesession", 1, conf.WebLogPath.Key).start(ctx)
	if err != nil {
		return err
	}
	l.JobManager = memberOf(jm.ready.PID)
	l.REST, l.RPC = jm.ready.REST, jm.ready.RPC
	slots := conf.TaskManagerNumberOfTaskSlots.Get(o.Conf)
	if o.Slots > 0 {
		slots = o.Slots
	}
	l.Slots = slots * o.TaskManagers
	host, port, err := net.SplitHostPort(l.RPC)
	if err != nil {
		return core.E("start cluster", core.Internal, l.RPC, err)
	}
	type outcome struct {
		p   *spawned
		err error
	}
	outcomes := make(chan outcome, o.TaskManagers)
	for n := range o.TaskManagers {
		s := l.spawn(o, "taskmanager", "taskexecutor", n+1, conf.TaskManagerLogPath.Key)
		s.defines = append(s.defines, define(conf.JobManagerRPCAddress.Key, host), define(conf.JobManagerRPCPort.Key, port),
			define(conf.TaskManagerNumberOfTaskSlots.Key, strconv.Itoa(slots)))
		go func() { // outcomes has room for all, and all are read below
			p, err := s.start(ctx)
			outcomes <- outcome{p, err}
		}()
	}
	var errs []error
	for range o.TaskManagers {
		if out := <-outcomes; out.err != nil {
			errs = append(errs, out.err)
		} else {
			l.TaskManagers = append(l.TaskManagers, memberOf(out.p.ready.PID))
		}
	}
	return errors.Join(errs...)
}

// spawn describes process number n of its kind. daemon is the kind's name in the names of files, Flink's.
func (l *Local) spawn(o LocalOptions, verb, daemon string, n int, logKey string) spawn {
	host, _ := os.Hostname() // for a file name only
	base := filepath.Join(l.LogDir, fmt.Sprintf("flink-%s-%s-%d-%s", ident(), daemon, n, host))
	s := spawn{command: slices.Concat(o.Command, []string{verb}), environ: o.Environ, out: base + ".out"}
	if o.ConfigDir != "" {
		s.args = append(s.args, "--configDir", o.ConfigDir)
	}
	if l.WorkDir != "" {
		s.defines = append(s.defines, define(conf.ProcessWorkingDir.Key, l.WorkDir))
	}
	s.defines = append(s.defines, define(logKey, base+".log"))
	s.defines = append(s.defines, o.Defines...)
	return s
}

func define(key, value string) string { return key + "=" + value }

// FindLocal returns the session cluster that was started on this machine. Its error is of kind NotFound when there is
// none.
func FindLocal(c *conf.Config) (*Local, error) {
	path := stateFile(conf.EnvPidDir.Get(c))
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, core.E("find cluster", core.NotFound, "", errors.New("no cluster was started on this machine"))
	} else if err != nil {
		return nil, core.E("find cluster", core.Invalid, "", err)
	}
	l := &Local{}
	if err := json.Unmarshal(b, l); err != nil {
		return nil, core.E("find cluster", core.Invalid, "", fmt.Errorf("%s: %w", path, err))
	}
	if !l.JobManager.alive() && l.Running() == 0 {
		return l, core.E("find cluster", core.NotFound, "", errors.New("the cluster that was started on this machine has ended"))
	}
	return l, nil
}

// Running counts the TaskManagers that are alive.
func (l *Local) Running() int {
	n := 0
	for _, tm := range l.TaskManagers {
		if tm.alive() {
			n++
		}
	}
	return n
}

// JobManagerRuns tells whether the JobManager is alive.
func (l *Local) JobManagerRuns() bool { return l.JobManager.alive() }

// StopLocal ends the cluster that FindLocal finds, and removes what it left behind, also of one that has crashed.
func StopLocal(c *conf.Config) (*Local, error) {
	l, err := FindLocal(c)
	if l == nil {
		return nil, err
	}
	ended := l.end()
	return l, errors.Join(err, ended, removeFiles(conf.EnvPidDir.Get(c)))
}

func (l *Local) end() error {
	members := slices.Clone(l.TaskManagers)
	if l.JobManager.PID != 0 {
		members = append(members, l.JobManager)
	}
	err := endAll(members, stopGrace)
	if l.WorkDir != "" {
		err = errors.Join(err, os.RemoveAll(l.WorkDir))
	}
	return err
}

// save writes the file by which the cluster is found, and pid files as Flink's scripts do.
func (l *Local) save(pidDir string) error {
	b, err := json.Marshal(l)
	if err != nil {
		return core.E("remember cluster", core.Internal, "", err)
	}
	var tms strings.Builder
	for _, tm := range l.TaskManagers {
		fmt.Fprintln(&tms, tm.PID)
	}
	files := map[string]string{
		stateFile(pidDir):                    string(b),
		pidFile(pidDir, "standalonesession"): fmt.Sprintln(l.JobManager.PID),
		pidFile(pidDir, "taskexecutor"):      tms.String(),
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return core.E("remember cluster", core.Invalid, "", err)
		}
	}
	return nil
}

func removeFiles(pidDir string) error {
	var errs []error
	for _, path := range []string{stateFile(pidDir), pidFile(pidDir, "standalonesession"), pidFile(pidDir, "taskexecutor")} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func stateFile(pidDir string) string { return filepath.Join(pidDir, "flink-"+ident()+"-cluster.json") }

func pidFile(pidDir, daemon string) string {
	return filepath.Join(pidDir, "flink-"+ident()+"-"+daemon+".pid")
}

// ident is part of the names of files, so that users do not meet: FLINK_IDENT_STRING, or the user's name.
func ident() string {
	if s := os.Getenv("FLINK_IDENT_STRING"); s != "" {
		return s
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// LogDir is the folder of the log files of processes that run in the background.
func LogDir(c *conf.Config) string {
	if dir := conf.EnvLogDir.Get(c); dir != "" {
		return dir
	}
	return filepath.Join(os.TempDir(), "flink-go-"+ident()+"-log")
}
