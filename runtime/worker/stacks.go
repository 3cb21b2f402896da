package worker

import "runtime"

// maxStacks bounds a dump: it must fit into one message.
const maxStacks = 8 << 20

// Stacks returns the stacks of all goroutines of this process.
func Stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= maxStacks {
			return string(buf[:n])
		}
	}
}
