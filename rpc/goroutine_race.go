//go:build race

package rpc

import "runtime"

// goroutineID tells goroutines apart: the first bytes of a stack trace, "goroutine 18 [".
type goroutineID [24]byte

func currentGoroutine() goroutineID {
	var buf, id goroutineID
	n := runtime.Stack(buf[:], false)
	for i, c := range buf[:n] {
		if c == '[' {
			break
		}
		id[i] = c
	}
	return id
}
