package taskexecutor

import (
	"bytes"
	"os"
	"strconv"
)

// memoryNow returns what the machine has available and what this process has resident; 0 where it is not known.
func memoryNow() (free, rss int64) {
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range bytes.Lines(b) {
			if rest, ok := bytes.CutPrefix(line, []byte("MemAvailable:")); ok {
				if f := bytes.Fields(rest); len(f) > 0 {
					kib, _ := strconv.ParseInt(string(f[0]), 10, 64)
					free = kib << 10
				}
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := bytes.Fields(b); len(f) > 1 {
			pages, _ := strconv.ParseInt(string(f[1]), 10, 64)
			rss = pages * int64(os.Getpagesize())
		}
	}
	return free, rss
}
