package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
)

// The environment by which whoever starts a process here keeps in touch with it.
const (
	envReadyFD    = "FLINKGO_READY_FD"    // where the process writes a Ready line when it is up
	envLifelineFD = "FLINKGO_LIFELINE_FD" // a pipe that nobody writes to: the process ends when it is closed
	envDefines    = "FLINKGO_DEFINES"     // JSON list of key=value, as -D gives them
)

// Ready is what a process says when it is up.
type Ready struct {
	PID  int    `json:"pid"`
	REST string `json:"rest,omitempty"` // http://host:port, of a JobManager
	RPC  string `json:"rpc"`            // host:port
}

// component is a started JobManager or TaskManager.
type component interface {
	Ready() Ready
	// Done is closed when it wants the process to end; Err then says why, nil for a request.
	Done() <-chan struct{}
	Err() error
	// Close ends it; what takes longer than ctx is broken off.
	Close(ctx context.Context) error
}

// JobManagerMain is main of a JobManager process: args are its flags, environ its environment. It returns the exit
// code.
func JobManagerMain(args, environ []string, stderr io.Writer) int {
	return runProcess("jobmanager", args, environ, stderr, conf.WebLogPath, func(c *conf.Config, log *slog.Logger) (component, error) {
		return StartJobManager(c, log)
	})
}

// TaskManagerMain is main of a TaskManager process.
func TaskManagerMain(args, environ []string, stderr io.Writer) int {
	return runProcess("taskmanager", args, environ, stderr, conf.TaskManagerLogPath, func(c *conf.Config, log *slog.Logger) (component, error) {
		return StartTaskManager(c, log)
	})
}

func runProcess(name string, args, environ []string, stderr io.Writer, logPath conf.Option[string], start func(*conf.Config, *slog.Logger) (component, error)) int {
	flags, err := parseFlags(args)
	if errors.Is(err, errHelp) {
		_, _ = fmt.Fprintf(stderr, "usage: %s [-D key=value]... [--configDir dir]\n", name)
		return 0
	} else if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	}
	if err := serve(flags, environ, stderr, logPath, start); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// serve runs one component from its configuration to its orderly end.
func serve(flags processFlags, environ []string, stderr io.Writer, logPath conf.Option[string], start func(*conf.Config, *slog.Logger) (component, error)) error {
	dir := flags.configDir
	if dir == "" {
		dir = conf.Dir(environ)
	}
	defines := flags.defines
	if text := taken(envDefines); text != "" {
		var more []string
		if err := json.Unmarshal([]byte(text), &more); err != nil {
			return core.E("read environment", core.Invalid, envDefines, err)
		}
		defines = append(more, defines...)
	}
	c, err := conf.Load(dir, environ, defines)
	if err != nil {
		return err
	}
	log, closeLog, err := openLog(c, logPath.Get(c), stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	for _, w := range c.Warnings() {
		log.Warn(w)
	}
	tuneMemory()

	// The first signal ends the process in good order, the second at once, because stop gives the signals back.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if dir := taken(envPerJobDir); dir != "" {
		defer func() { _ = os.RemoveAll(dir) }() // nobody is left to hear of an error
	}

	comp, err := start(c, log)
	if err != nil {
		log.Error("process does not start", "error", err)
		return err
	}
	if err := sayReady(comp.Ready()); err != nil {
		log.Warn("nobody heard that the process is ready", "error", err)
	}
	watchLifeline(comp, cancel)
	var cause error
	select {
	case <-ctx.Done():
		log.Info("process ends", "cause", context.Cause(ctx))
	case <-comp.Done():
		cause = comp.Err()
		log.Info("process ends", "cause", cause)
	}
	ctx, giveUp := context.WithTimeout(context.Background(), conf.ClusterServicesShutdownTimeout.Get(c))
	defer giveUp()
	return errors.Join(cause, comp.Close(ctx))
}

type processFlags struct {
	configDir string
	defines   []string
}

var errHelp = errors.New("help was asked for")

// parseFlags reads -D key=value, -Dkey=value and --configDir; Flink's scripts write both forms.
func parseFlags(args []string) (processFlags, error) {
	var f processFlags
	for i := 0; i < len(args); i++ {
		arg := args[i]
		value := func(name string) (string, error) {
			if i++; i < len(args) {
				return args[i], nil
			}
			return "", fmt.Errorf("%s wants a value", name)
		}
		var err error
		switch {
		case arg == "-h" || arg == "--help":
			return f, errHelp
		case arg == "-D":
			var d string
			d, err = value("-D")
			f.defines = append(f.defines, d)
		case strings.HasPrefix(arg, "-D"):
			f.defines = append(f.defines, arg[2:])
		case arg == "--configDir" || arg == "-c":
			f.configDir, err = value(arg)
		case strings.HasPrefix(arg, "--configDir="):
			f.configDir = strings.TrimPrefix(arg, "--configDir=")
		default:
			err = fmt.Errorf("unknown argument %q: want -D key=value or --configDir dir", arg)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// openLog opens the process's log: the file at path, or stderr if there is none. Older files of that name are kept
// under numbers, as many as env.log.max says.
func openLog(c *conf.Config, path string, stderr io.Writer) (*slog.Logger, func(), error) {
	var level slog.Level
	switch conf.EnvLogLevel.Get(c) {
	case "OFF":
		return slog.New(slog.DiscardHandler), func() {}, nil
	case "TRACE", "DEBUG":
		level = slog.LevelDebug
	case "WARN":
		level = slog.LevelWarn
	case "ERROR":
		level = slog.LevelError
	}
	opts := &slog.HandlerOptions{Level: level}
	if path == "" {
		return slog.New(slog.NewTextHandler(stderr, opts)), func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, core.E("open log", core.Invalid, "", err)
	}
	rotate(path, conf.EnvLogMax.Get(c))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, core.E("open log", core.Invalid, "", err)
	}
	return slog.New(slog.NewTextHandler(f, opts)), func() { _ = f.Close() }, nil
}

// rotate makes room for a new file at path: path.1 is the one before, and so on. Files that do not exist or move are
// no reason not to start.
func rotate(path string, keep int) {
	for n := keep - 1; n >= 1; n-- {
		_ = os.Rename(path+"."+strconv.Itoa(n), path+"."+strconv.Itoa(n+1))
	}
	if keep > 0 {
		_ = os.Rename(path, path+".1")
	}
}

// tuneMemory keeps an idle process small: control planes allocate little, so a tight collector costs next to nothing.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// sayReady tells whoever started this process that it is up.
func sayReady(r Ready) error {
	f := inherited(envReadyFD)
	if f == nil {
		return nil
	}
	err := json.NewEncoder(f).Encode(r)
	return errors.Join(err, f.Close())
}

// watchLifeline calls cancel when the process at the other end of the lifeline is gone, or lets a JobManager end with
// its job if that process says so. Its goroutine ends then, or with the process.
func watchLifeline(comp component, cancel context.CancelCauseFunc) {
	f := inherited(envLifelineFD)
	if f == nil {
		return
	}
	go func() {
		var said [1]byte
		if n, _ := f.Read(said[:]); n == 1 && said[0] == detach {
			if jm, ok := comp.(*JobManager); ok {
				jm.EndWithJob()
				return
			}
		}
		cancel(errors.New("the process that this one belongs to is gone"))
	}()
}

// inherited opens the file descriptor that variable names, and keeps both from the children of this process.
func inherited(variable string) *os.File {
	fd, err := strconv.Atoi(taken(variable))
	if err != nil || fd < 3 {
		return nil
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), variable)
}

// taken returns the value of an environment variable that is meant for this process and not for its children.
func taken(variable string) string {
	v := os.Getenv(variable)
	_ = os.Unsetenv(variable) // cannot fail for such a name
	return v
}
