package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(mainCode(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func mainCode(args []string, in io.Reader, out, errOut io.Writer) int {
	// The first interrupt ends what waits; the second ends the process, because stop gives the signals back.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot(&app{in: in, out: out, err: errOut, environ: os.Environ()})
	root.SetArgs(args)
	return exitCode(ctx, root.ExecuteContext(ctx), errOut)
}

// app is what the verbs have in common: where they read and write, and the flags that all of them take.
type app struct {
	in       io.Reader
	out, err io.Writer
	environ  []string

	jobmanager string   // -m
	defines    []string // -D
	configDir  string   // --configDir
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError ends the command with the exit code of a process that has said everything itself.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode prints err, where it was not said before, and maps it to the exit code.
func exitCode(ctx context.Context, err error, errOut io.Writer) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[codeError](err); ok {
		return int(code)
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	_, _ = fmt.Fprintln(errOut, err)
	if _, ok := errors.AsType[usageError](err); ok {
		_, _ = fmt.Fprintln(errOut, "\nUse the help option (-h or --help) to get help on the command.")
		return exitUsage
	}
	return exitFailure
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "flink-go",
		Short:             "Runs stream-processing programs, and the clusters that they run on",
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              unknownVerb,
		PersistentPreRunE: noEmptyFlag,
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usage("Please specify an action.")
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	f := root.PersistentFlags()
	f.StringVarP(&a.jobmanager, "jobmanager", "m", "", "JobManager to talk to: host:port or http://host:port of its REST address")
	f.StringArrayVarP(&a.defines, "define", "D", nil, "configuration `key=value`, repeatable; wins over environment and file")
	f.StringVar(&a.configDir, "configDir", "", "folder with config.yaml or flink-conf.yaml (default: $FLINK_CONF_DIR)")
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.Version = versionText()
	root.Flags().BoolP("version", "v", false, "print the version")
	root.AddCommand(
		newRun(a), newInfo(a), newList(a), newCancel(a), newStop(), newSavepoint(), newCheckpoint(),
		newCluster(a), newConfig(a), newLogs(a), newVersion(a), newJobManager(a), newTaskManager(a),
	)
	return root
}

// noEmptyFlag refuses a flag that is given without a value, such as -p "" (B-02): a script's variable is empty.
func noEmptyFlag(c *cobra.Command, _ []string) error {
	var err error
	c.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = usage("%s: --%s is given an empty value", c.CommandPath(), f.Name)
		}
	})
	return err
}

// unknownVerb refuses a verb that there is not, and names the nearest one (B-01).
func unknownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	text := fmt.Sprintf("%q is not a valid action.", args[0])
	if best := nearest(args[0], names); best != "" {
		text += fmt.Sprintf(" Did you mean %q?", best)
	}
	return usage("%s\n\nValid actions are %s.", text, quoted(names))
}

// flagError names the nearest flag of an unknown one (B-01), and says what a flag wants in the words of Flink.
func flagError(c *cobra.Command, err error) error {
	text := err.Error()
	name, unknown := strings.CutPrefix(text, "unknown flag: --")
	if !unknown {
		return usageError{fmt.Errorf("%s: %w", c.CommandPath(), err)}
	}
	var names []string
	for _, n := range flagNames(c) {
		names = append(names, "--"+n)
	}
	if best := nearest("--"+name, names); best != "" {
		return usage("%s: unknown option --%s. Did you mean %s?", c.CommandPath(), name, best)
	}
	return usage("%s: unknown option --%s", c.CommandPath(), name)
}

func quoted(names []string) string {
	var b strings.Builder
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}
