// Command faulty is a program with one fault outside its record path, named by its first argument: in main before or
// after the job, in the graph, in the life of an operator, or against the process that runs it. Faults of functions
// that see records are in misbehave.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" && os.Getenv(job.EnvRole) == "worker" {
		panic("planned panic in init")
	}
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: faulty FAULT")
		os.Exit(2)
	}
	fault := os.Args[1]
	switch fault {
	case "no-execute": // B-05
		fmt.Println("nothing to do")
		return
	case "exit3":
		fmt.Fprintln(os.Stderr, "planned exit")
		os.Exit(3)
	case "flood": // 1 GB before Execute
		chunk := bytes.Repeat([]byte("all work and no play makes Jack a dull boy\n"), 1<<14)
		for n := 0; n < 1<<30; n += len(chunk) {
			if _, err := os.Stdout.Write(chunk); err != nil {
				break
			}
		}
	case "stdin":
		b, err := io.ReadAll(os.Stdin)
		fmt.Println(len(b), "bytes of stdin,", err)
	case "twice":
		for i := range 2 {
			if _, err := job.Execute(context.Background(), fmt.Sprint("part ", i), finite); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Println("part", i, "is done")
		}
		return
	}
	name := "faulty " + fault
	switch fault {
	case "name-empty": // B-38
		name = ""
	case "name-long":
		name = strings.Repeat("long ", 1<<18)
	case "name-control":
		name = "red \x1b[31m alert\nline"
	case "name-utf8":
		name = "not \xff\xfe UTF-8"
	}
	job.Main(name, func(env *stream.Env) { build(env, fault) })
}

func count(n uint64) uint64 { return n }

func finite(env *stream.Env) {
	stream.Discard(stream.From(env, datagen.Generate(count, datagen.Count(10))))
}

func build(env *stream.Env, fault string) {
	env.RestartStrategy(stream.NoRestart())
	switch fault {
	case "no-sink": // B-35
		stream.From(env, datagen.Generate(count))
		return
	case "empty":
		return
	case "many": // reported together
		s := stream.From(env, datagen.Generate(count)).UID("one")
		stream.Discard(stream.Map(s, func(n uint64) chan int { return nil }).UID("one"))
		stream.Discard(stream.Count(stream.KeyBy(s, func(n uint64) *uint64 { return &n })))
		env.Parallelism(-1)
		return
	case "parallelism": // B-36
		env.MaxParallelism(2)
		env.Parallelism(4)
	case "unstable": // B-39: the worker arrives at another graph
		if os.Getenv(job.EnvRole) == "worker" {
			s := stream.From(env, datagen.Generate(count, datagen.Count(10)))
			stream.Discard(stream.Map(s, count).Name("only in a worker"))
			return
		}
	case "worker-panic":
		if os.Getenv(job.EnvRole) == "worker" {
			panic("planned panic while building")
		}
	case "worker-exit":
		if os.Getenv(job.EnvRole) == "worker" {
			os.Exit(7)
		}
	case "worker-stuck":
		if os.Getenv(job.EnvRole) == "worker" {
			select {}
		}
	case "worker-asleep":
		if os.Getenv(job.EnvRole) == "worker" {
			<-time.After(time.Hour)
		}
	case "nan": // B-46
		s := stream.From(env, datagen.Generate(func(n uint64) float64 { return math.NaN() }, datagen.Count(100)))
		stream.Discard(stream.Count(stream.KeyBy(s, func(f float64) float64 { return f })))
		return
	case "large": // a record larger than any frame
		s := stream.From(env, datagen.Generate(func(n uint64) []byte { return make([]byte, 300<<20) }, datagen.Count(4)))
		stream.Discard(stream.Rebalance(s)).Parallelism(2)
		return
	}
	s := stream.From(env, datagen.Generate(count, datagen.Rate(200)))
	stream.Discard(stream.Process(s, &operator{fault: fault}))
}

// operator goes wrong in Open, at its tenth record or in Close.
type operator struct {
	fault string
	kept  [][]byte
	files []*os.File
}

func (o *operator) Open(*stream.RuntimeContext) error {
	switch o.fault {
	case "open-panic": // B-41
		panic("planned panic in Open")
	case "open-error":
		return errors.New("planned error in Open")
	case "open-hang":
		select {}
	}
	return nil
}

func (o *operator) Process(ctx *stream.Context[stream.NoKey, uint64], n uint64) error {
	if n != 10 {
		return nil
	}
	switch o.fault {
	case "inspect": // SEC-16: no fault, but what a worker is
		return inspect()
	case "close-panic", "close-error", "error":
		return errors.New("planned error")
	case "memory": // B-42, R-27
		for {
			o.kept = append(o.kept, bytes.Repeat([]byte{1}, 16<<20))
		}
	case "descriptors":
		for {
			f, err := os.Open("/dev/null")
			if err != nil {
				return err
			}
			o.files = append(o.files, f)
		}
	case "children", "family":
		for range 3 {
			if err := exec.Command("sleep", "1000").Start(); err != nil {
				return err
			}
		}
		if o.fault == "children" {
			return errors.New("planned error after starting children")
		}
		fmt.Fprintln(os.Stderr, "standstill")
	case "parent": // B-44
		return syscall.Kill(os.Getppid(), syscall.SIGKILL)
	case "exec":
		return syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil)
	case "close-descriptors": // B-45
		for fd := range 10 {
			_ = syscall.Close(fd)
		}
	case "environment":
		syscall.Umask(0o777)
		if err := os.Chdir("/"); err != nil {
			return err
		}
		os.Clearenv()
		return errors.New("planned error after changing the process")
	case "sleep", "spin", "deadlock": // B-43
		fmt.Fprintln(os.Stderr, "standstill")
	}
	switch o.fault {
	case "sleep":
		<-time.After(time.Hour)
	case "spin":
		for i := 0; ; i++ {
			if i < 0 {
				break
			}
		}
	case "deadlock":
		var never chan int
		<-never
	case "log": // P-5: a flood of output
		line := bytes.Repeat([]byte("x"), 1<<16)
		line[len(line)-1] = '\n'
		for range 4096 { // 256 MiB
			_, _ = os.Stdout.Write(line)
		}
		return errors.New("planned error after a flood")
	}
	return nil
}

// inspect prints what a worker's process has and may do.
func inspect() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for l := range strings.Lines(string(status)) {
		if strings.HasPrefix(l, "NoNewPrivs:") || strings.HasPrefix(l, "Umask:") {
			fmt.Print(l)
		}
	}
	var core syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &core); err != nil {
		return err
	}
	session, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	fmt.Println("core:", core.Max, "own session:", int(session) == os.Getpid(), "own group:", syscall.Getpgrp() == os.Getpid())
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		fmt.Println("environment:", name)
	}
	fds, err := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "/") {
			fmt.Println("open file:", to)
		}
	}
	return errors.Join(err, errors.New("inspected"))
}

func (o *operator) Close() error {
	switch o.fault {
	case "close-panic":
		panic("planned panic in Close")
	case "close-error":
		return errors.New("planned error in Close")
	}
	return nil
}
