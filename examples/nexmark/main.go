// Command nexmark runs a query of the Nexmark benchmark over generated events and prints its result, which is the
// same for every engine, parallelism and run, and its rate.
//
//	go run ./examples/nexmark -query q0 -events 10000000 -p 2
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/examples/internal/result"
)

func main() {
	query := flag.String("query", "q0", "which query: "+strings.Join(queryNames(), ", "))
	n := flag.Int64("events", 10_000_000, "number of events")
	p := flag.Int("p", 0, "parallelism; 0 is the configured one")
	asJSON := flag.Bool("json", false, "print the result as one line of JSON")
	profile := flag.String("cpuprofile", "", "file for a CPU profile of this process, which holds the work of an embedded run")
	flag.Parse()
	err := profiled(*profile, func() error { return run(*query, *n, *p, *asJSON) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(job.ExitCode(err))
	}
}

// profiled writes a CPU profile of f to a file, if it is named.
func profiled(file string, f func() error) error {
	if file == "" {
		return f()
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("create profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, out.Close())
}

func run(query string, n int64, p int, asJSON bool) error {
	program, ok := queries[query]
	if !ok {
		return fmt.Errorf("unknown query %q: there are %s", query, strings.Join(queryNames(), ", "))
	}
	if n < 0 {
		return fmt.Errorf("events %d: want at least 0", n)
	}
	parallelism := 0
	res, err := job.Execute(context.Background(), "nexmark-"+query, func(env *stream.Env) {
		if p != 0 {
			env.Parallelism(p)
		}
		parallelism = env.Config().Parallelism
		program(read(env, uint64(n)))
	})
	if err != nil || res.Detached {
		return err
	}
	line, err := result.Of(query, parallelism, n, res)
	if err != nil {
		return err
	}
	if asJSON {
		return line.WriteJSON(os.Stdout)
	}
	return line.WriteText(os.Stdout)
}
