// Command misbehave is a program with one fault, named by its argument, for the tests of what a cluster makes of it.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: misbehave panic|exit0|exit3|goroutine|overflow|kill|mapwrite|hang")
		os.Exit(2)
	}
	job.Main("misbehave "+os.Args[1], func(env *stream.Env) {
		env.RestartStrategy(stream.NoRestart())
		numbers := stream.From(env, datagen.Generate(func(n uint64) uint64 { return n }, datagen.Rate(1000)))
		stream.Discard(stream.Map(numbers, func(n uint64) uint64 {
			if n == 10 {
				misbehave(os.Args[1])
			}
			return n
		}))
	})
}

func misbehave(how string) {
	switch how {
	case "panic":
		panic("planned panic")
	case "exit0":
		os.Exit(0)
	case "exit3":
		os.Exit(3)
	case "goroutine":
		go panic("planned panic in a goroutine")
		<-time.After(time.Minute)
	case "overflow":
		fmt.Fprintln(os.Stderr, overflow(1))
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "mapwrite":
		m := map[int]int{}
		for range 8 {
			go func() {
				for i := 0; ; i++ {
					m[i%10] = i
				}
			}()
		}
		<-time.After(time.Minute)
	case "hang":
		select {}
	}
}

func overflow(n int) int { return overflow(n+1) + 1 } //nolint:staticcheck // does not end, as announced
