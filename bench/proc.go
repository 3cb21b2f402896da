package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ticksPerSecond is Linux's USER_HZ, 100 on every architecture that Go supports.
const ticksPerSecond = 100

type stat struct {
	pid, parent int
	own, reaped float64 // CPU seconds, of children already waited for in reaped
}

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 16 {
		return stat{}, false
	}
	n := func(i int) float64 { v, _ := strconv.ParseFloat(f[i], 64); return v }
	return stat{pid: pid, parent: int(n(1)), own: (n(11) + n(12)) / ticksPerSecond, reaped: (n(13) + n(14)) / ticksPerSecond}, true
}

func peakRSS(pid int, field string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, field+":"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			return kb / 1024
		}
	}
	return 0
}

// tree measures processes and all below them: CPU including children that ended, and the sum of each one's peak of
// resident memory.
type tree struct {
	roots []int
	mu    sync.Mutex
	peaks map[int]float64
	stop  chan struct{}
	done  sync.WaitGroup
}

// watch samples the tree every 20 ms until end is called, since a peak of a process that ended cannot be read.
func watch(roots ...int) *tree {
	t := &tree{roots: roots, peaks: map[int]float64{}, stop: make(chan struct{})}
	t.done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			t.sample()
			select {
			case <-t.stop:
				return
			case <-tick.C:
			}
		}
	})
	return t
}

func (t *tree) members() []stat {
	all := map[int]stat{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if st, ok := readStat(pid); ok {
			all[pid] = st
		}
	}
	var in []stat
	for _, st := range all {
		for p := st; ; {
			if isRoot(t.roots, p.pid) {
				in = append(in, st)
				break
			}
			next, ok := all[p.parent]
			if !ok || next.pid == p.pid {
				break
			}
			p = next
		}
	}
	return in
}

func isRoot(roots []int, pid int) bool {
	return slices.Contains(roots, pid)
}

func (t *tree) sample() {
	m := t.members()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, st := range m {
		t.peaks[st.pid] = max(t.peaks[st.pid], peakRSS(st.pid, "VmHWM"))
	}
}

// cpu is the CPU time in seconds that the tree has used so far.
func (t *tree) cpu() float64 {
	var s float64
	for _, st := range t.members() {
		s += st.own + st.reaped
	}
	return s
}

func (t *tree) end() (peakMiB float64) {
	close(t.stop)
	t.done.Wait()
	for _, p := range t.peaks {
		peakMiB += p
	}
	return peakMiB
}
