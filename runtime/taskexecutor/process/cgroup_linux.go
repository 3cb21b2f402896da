package process

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups makes a memory cgroup for each worker, below the one of this process, where the kernel lets us: version 1,
// or version 2 when the memory controller is delegated. A nil *cgroups, and a nil *cgroup, do nothing: then GOMEMLIMIT
// alone holds a worker back.
type cgroups struct {
	dir string // in which groups are made
	v2  bool
	log *slog.Logger
}

type cgroup struct {
	dir string
	v2  bool
	log *slog.Logger
}

const cgroupRoot = "/sys/fs/cgroup"

// findCgroups looks for a place by trying it.
func findCgroups(log *slog.Logger) *cgroups {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for _, p := range places(string(b), log) {
		if err := p.try(); err != nil {
			log.Debug("no cgroups for workers", "dir", p.dir, "cause", err)
			continue
		}
		log.Debug("workers get memory cgroups", "dir", p.dir)
		p.removeStale()
		return &p
	}
	return nil
}

// places reads /proc/self/cgroup: where the memory cgroup of this process is.
func places(table string, log *slog.Logger) []cgroups {
	var list []cgroups
	for line := range strings.Lines(table) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			list = append(list, cgroups{filepath.Join(cgroupRoot, parts[2]), true, log})
		case strings.Contains(","+parts[1]+",", ",memory,"):
			// A container may see its own group as the root.
			list = append(list, cgroups{filepath.Join(cgroupRoot, "memory", parts[2]), false, log},
				cgroups{filepath.Join(cgroupRoot, "memory"), false, log})
		}
	}
	return list
}

// removeStale removes the groups of TaskManagers that were killed. Only what is old is touched: a young group may
// belong to a process that is not seen from here.
func (p *cgroups) removeStale() {
	dirs, err := filepath.Glob(filepath.Join(p.dir, groupPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		if _, err := os.Stat("/proc/" + pid); err == nil {
			continue
		}
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(dir) // refused while there is a process in it
		}
	}
}

const (
	groupPrefix = "flink-go-"
	staleAfter  = time.Minute
)

func (p *cgroups) try() error {
	dir := filepath.Join(p.dir, fmt.Sprintf("%s%d-try", groupPrefix, os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	g := &cgroup{dir, p.v2, p.log}
	defer g.remove()
	return g.limit(1 << 30)
}

// make returns a group with this memory limit, nil if there can be none.
func (p *cgroups) make(name string, memory int64) *cgroup {
	if p == nil || memory <= 0 {
		return nil
	}
	dir := filepath.Join(p.dir, fmt.Sprintf("%s%d-%s", groupPrefix, os.Getpid(), name))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		p.log.Warn("making the cgroup of a worker", "dir", dir, "cause", err)
		return nil
	}
	g := &cgroup{dir, p.v2, p.log}
	if err := g.limit(memory); err != nil {
		p.log.Warn("limiting the memory of a worker", "dir", dir, "cause", err)
		g.remove()
		return nil
	}
	return g
}

func (g *cgroup) limit(memory int64) error {
	name := "memory.limit_in_bytes"
	if g.v2 {
		name = "memory.max"
	}
	return g.write(name, strconv.FormatInt(memory, 10))
}

func (g *cgroup) write(file, value string) error {
	return os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0o644)
}

// enter moves the calling thread into the group, so that what it starts is born there and is never outside; leave moves
// it back. In version 2 the threads of a process stay together: there, add must do.
func (g *cgroup) enter() (leave func()) {
	tid := strconv.Itoa(unix.Gettid())
	if g == nil || g.v2 || g.write("tasks", tid) != nil {
		return func() {}
	}
	return func() {
		if err := os.WriteFile(filepath.Join(filepath.Dir(g.dir), "tasks"), []byte(tid), 0o644); err != nil {
			g.log.Warn("taking a thread back from the cgroup of a worker", "dir", g.dir, "cause", err)
		}
	}
}

// add moves a process that has just begun into the group.
func (g *cgroup) add(pid int) {
	if g == nil {
		return
	}
	if err := g.write("cgroup.procs", strconv.Itoa(pid)); err != nil {
		g.log.Warn("moving a worker into its cgroup", "dir", g.dir, "cause", err)
	}
}

// oomKilled tells whether the kernel killed something in the group for its memory.
func (g *cgroup) oomKilled() bool {
	if g == nil {
		return false
	}
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == "oom_kill" {
			return string(f[1]) != "0"
		}
	}
	return false
}

// remove kills what is left in the group, such as a daemon that a program started, and deletes it. The kernel refuses
// that for a moment after the last process has ended.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 40 {
		g.killAll()
		if err = os.Remove(g.dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		<-tick.C
	}
	g.log.Warn("removing the cgroup of a worker", "dir", g.dir, "cause", err)
}

func (g *cgroup) killAll() {
	b, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		// 0 is a process that is not seen from here; this one has a thread there that could not be taken back.
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// oomKills counts the processes that the kernel has killed for lack of memory since it started; 0 if that is not known.
func oomKills() int64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == "oom_kill" {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64) // 0 if it is no number
			return n
		}
	}
	return 0
}

// machineMemory returns how much memory this process and its children may have: what the machine has, or what the
// cgroup of this process is limited to; 0 if that is not known.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	total := int64(uint64(info.Totalram) * uint64(info.Unit)) //nolint:unconvert // Totalram has 32 bits on machines of 32 bits
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return total
	}
	for _, p := range places(string(b), nil) {
		file := "memory.limit_in_bytes"
		if p.v2 {
			file = "memory.max"
		}
		// Limits of the groups above hold too.
		for dir := p.dir; strings.HasPrefix(dir, cgroupRoot); dir = filepath.Dir(dir) {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				continue
			}
			if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
				total = min(total, limit)
			}
		}
	}
	return total
}
