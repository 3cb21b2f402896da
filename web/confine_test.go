package web

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// canConfine tries on a thread of its own, which ends with it.
func canConfine() error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- confineThread()
	}()
	return <-done
}

// tryToWrite is 0 if no file can be written: the exit code 7 tells that one could.
func tryToWrite() int {
	f, err := os.Create(filepath.Join(os.TempDir(), "flink-go-plan-was-here"))
	if err != nil {
		os.Stderr.WriteString("write refused\n")
		return 8
	}
	_ = os.Remove(f.Name())
	return 7
}

// tryToDial is 8 if the network is not there.
func tryToDial() int {
	c, err := net.DialTimeout("tcp", os.Args[2], time.Second)
	if err != nil {
		os.Stderr.WriteString("dial refused\n")
		return 8
	}
	_ = c.Close()
	return 7
}
