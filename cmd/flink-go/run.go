package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/runtime/cluster"
)

// runFlags are the flags of run, and of info where they shape the graph.
type runFlags struct {
	detached    bool
	parallelism string
	pick        string
	target      string
	savepoint   string
}

func newRun(a *app) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [options] <package folder | file.go | binary> [arguments of the program]",
		Short: "Build a program if need be, and run it",
		Long: `Runs a program: a package folder, a .go file or a binary. What follows it are its own arguments.

Where it runs is chosen by -t: remote (a session cluster, the default), per-job (a cluster of its own, gone when the
job ends) or local (in the program's own process).`,
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), f, args) },
	}
	fl := c.Flags()
	fl.SetInterspersed(false) // what follows the program is the program's
	fl.BoolVarP(&f.detached, "detached", "d", false, "return when the job is submitted")
	fl.StringVarP(&f.target, "target", "t", "", "remote, per-job or local")
	fl.StringVarP(&f.savepoint, "fromSavepoint", "s", "", "start from this savepoint")
	f.addShaping(c)
	return c
}

func (f *runFlags) addShaping(c *cobra.Command) {
	c.Flags().StringVarP(&f.parallelism, "parallelism", "p", "", "parallelism of operators that set none")
	c.Flags().StringVarP(&f.pick, "class", "c", "", "package to run, within the folder")
}

func (a *app) run(ctx context.Context, f runFlags, args []string) error {
	if f.savepoint != "" {
		return errNeedsCheckpoints("run -s")
	}
	settings, err := a.settings(f)
	if err != nil {
		return err
	}
	c, err := a.config(settings...)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		_, _ = fmt.Fprintln(a.err, "warning:", w)
	}
	target, err := targetOf(f, a, c)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usage("A program should be specified: a package folder, a .go file or a binary.")
	}
	p, err := findProgram(ctx, args[0], f.pick, a.err)
	if err != nil {
		return err
	}
	defer p.cleanup()
	environ, err := a.programEnviron(settings)
	if err != nil {
		return err
	}
	ch := child{path: p.path, args: args[1:], app: a, environ: environ}
	switch target {
	case "local":
		if f.detached {
			return usage("-d does not go with -t local: there is nothing to detach from")
		}
		return ch.run()
	case "per-job":
		return a.runPerJob(ctx, c, ch, f.detached)
	default:
		ch.submitTo(a.address(c), f.detached)
		return ch.run()
	}
}

// settings are the -D and -p of the command line, as key=value.
func (a *app) settings(f runFlags) ([]string, error) {
	all := slices.Clone(a.defines)
	for _, d := range all {
		if k, _, ok := strings.Cut(d, "="); !ok || strings.TrimSpace(k) == "" {
			return nil, usage("-D %s: expected key=value", d)
		}
	}
	if f.parallelism != "" {
		if n, err := strconv.Atoi(f.parallelism); err != nil || n < 1 {
			return nil, usage("The parallelism must be a positive number: %s", f.parallelism)
		}
		all = append(all, conf.ParallelismDefault.Key+"="+f.parallelism)
	}
	return all, nil
}

func targetOf(f runFlags, a *app, c *conf.Config) (string, error) {
	target, given := f.target, f.target
	if target == "" {
		target = conf.ExecutionTarget.Get(c)
	}
	switch target {
	case "":
		return "remote", nil
	case "remote", "local", "per-job":
		if target != "remote" && a.jobmanager != "" && given != "" {
			return "", usage("-m does not go with -t %s", target)
		}
		return target, nil
	default:
		text := fmt.Sprintf("unknown target %q: want remote, per-job or local", target)
		if best := nearest(target, []string{"remote", "per-job", "local"}); best != "" {
			text += fmt.Sprintf("; did you mean %q?", best)
		}
		return "", usage("%s", text)
	}
}

// programEnviron is the environment of a program that gets settings.
func (a *app) programEnviron(settings []string) ([]string, error) {
	m := map[string]string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		m[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	environ := slices.DeleteFunc(slices.Clone(a.environ), func(e string) bool {
		return strings.HasPrefix(e, "FLINKGO_ROLE=") || strings.HasPrefix(e, "FLINKGO_REST=") || strings.HasPrefix(e, "FLINKGO_DETACHED=") || strings.HasPrefix(e, "FLINKGO_PER_JOB=")
	})
	environ = append(environ, "FLINKGO_SETTINGS="+string(b))
	if a.configDir != "" {
		environ = append(environ, conf.EnvConfDir+"="+a.configDir)
	}
	return environ, nil
}

// runPerJob runs the program with a cluster of its own.
func (a *app) runPerJob(ctx context.Context, c *conf.Config, ch child, detached bool) error {
	o, err := a.localOptions(c)
	if err != nil {
		return err
	}
	cl, err := cluster.StartPerJob(ctx, o)
	if err != nil {
		return err
	}
	ch.submitTo(cl.REST(), detached)
	ch.environ = append(ch.environ, "FLINKGO_PER_JOB=1")
	err = ch.run()
	if err == nil && detached {
		err = cl.Detach()
	}
	// The program is over, interrupted or not: its cluster ends in any case.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return errors.Join(err, cl.Close(ending))
}

// child is a program that runs under this command.
type child struct {
	path    string
	args    []string
	environ []string
	app     *app
}

func (ch *child) submitTo(address string, detached bool) {
	ch.environ = append(ch.environ, "FLINKGO_ROLE=submit", "FLINKGO_REST="+address)
	if detached {
		ch.environ = append(ch.environ, "FLINKGO_DETACHED=1")
	}
}

// run runs the program to its end. The terminal sends its interrupts to the program too, which decides what to do;
// other signals, and interrupts without a terminal, are passed on.
func (ch *child) run() error {
	cmd := exec.Command(ch.path, ch.args...) //nolint:noctx // the program ends as it sees fit
	cmd.Env = ch.environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ch.app.in, ch.app.out, ch.app.err
	began, executes, err := os.Pipe() // the program writes to it when it calls Execute
	if err != nil {
		return err
	}
	defer func() { _ = began.Close() }()
	cmd.ExtraFiles = []*os.File{executes}
	cmd.Env = append(cmd.Env, "FLINKGO_EXECUTE_FD=3")
	signals := make(chan os.Signal, 4) // a user may be impatient
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// The kernel ends a child when the thread that started it ends, so that thread stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = childAttributes()
	err = cmd.Start()
	_ = executes.Close() // the program has its own
	if err != nil {
		return fmt.Errorf("the program %s does not start: %w", ch.path, err)
	}
	ended := make(chan error, 1)        // one value: the goroutine never waits
	go func() { ended <- cmd.Wait() }() // ends with the program
	for {
		select {
		case s := <-signals:
			if s != os.Interrupt || !onTerminal() {
				_ = cmd.Process.Signal(s) // it may have ended already
			}
		case err := <-ended:
			if err == nil && !wroteTo(began) {
				return errNoExecute(ch.path)
			}
			return childError(ch.path, err)
		}
	}
}

// onTerminal tells whether an interrupt of the keyboard reaches the programs that this process starts.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) || term.IsTerminal(int(os.Stderr.Fd()))
}

// childError turns the end of the program into an exit code: it has said itself what went wrong.
func childError(path string, err error) error {
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		if status.Signal() != syscall.SIGPIPE && status.Signal() != syscall.SIGINT {
			return fmt.Errorf("the program %s was ended by a signal: %s", path, status.Signal())
		}
		return codeError(128 + int(status.Signal()))
	}
	return codeError(ended.ExitCode())
}

// wroteTo tells whether anything was written to the other end of r, without waiting for more.
func wroteTo(r *os.File) bool {
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // a child of the program may hold the other end
	n, _ := r.Read(make([]byte, 1))
	return n > 0
}
