package slots_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/slots"
	"pgregory.net/rapid"
)

// The scripts in testdata/manager_*.txt drive a Manager. Every command may have at=<seconds>, the time when it
// happens; it stays that time until the next one. What a command prints are the effects.
//
//	new [pack] [worker-slots=n] [max=n] [min=n] [redundant=n] [startup=s] [idle=s] [mem=n]
//	register tm [instance=n]          deregister tm
//	report tm [instance=n] [asof=s]   one line per slot: number free|job:alloc [mem=n]
//	require job n[xmem] ...           requested tm slot alloc [err=unavailable|conflict]
//	available tm slot alloc           tick                       state
func TestManagerScripts(t *testing.T) {
	for _, path := range scripts(t, "testdata/manager_*.txt") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := &managerScript{names: make(map[string]string)}
			datadriven.RunTest(t, path, s.run)
		})
	}
}

func scripts(t *testing.T, pattern string) []string {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts %s: %v", pattern, err)
	}
	return paths
}

type managerScript struct {
	m      *slots.Manager
	now    time.Time
	allocs int
	names  map[string]string // short names of jobs
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func scriptJob(name string) core.JobID {
	var id core.JobID
	copy(id[:], name)
	return id
}

func scriptAlloc(name string) core.AllocationID {
	var id core.AllocationID
	copy(id[:], name)
	return id
}

func scriptInstance(n int) core.InstanceID {
	var id core.InstanceID
	id[0] = byte(n)
	return id
}

func short[T ~[16]byte](id T) string { return strings.TrimRight(string(id[:]), "\x00") }

func scriptInt(t *testing.T, d *datadriven.TestData, key string, otherwise int) int {
	n := otherwise
	d.MaybeScanArgs(t, key, &n)
	return n
}

func (s *managerScript) run(t *testing.T, d *datadriven.TestData) string {
	s.now = epoch.Add(time.Duration(scriptInt(t, d, "at", int(s.now.Sub(epoch)/time.Second))) * time.Second)
	if s.now.Before(epoch) {
		s.now = epoch
	}
	var plain []string // arguments without values
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			plain = append(plain, a.Key)
		}
	}
	slot := func() core.SlotID {
		n, err := strconv.Atoi(plain[1])
		if err != nil {
			t.Fatal(err)
		}
		return core.SlotID{Resource: core.ResourceID(plain[0]), Number: n}
	}
	instance := scriptInstance(scriptInt(t, d, "instance", 1))
	switch d.Cmd {
	case "new":
		seconds := func(key string) time.Duration { return time.Duration(scriptInt(t, d, key, 0)) * time.Second }
		cfg := slots.ManagerConfig{
			WorkerSlots:        scriptInt(t, d, "worker-slots", 0),
			WorkerProfile:      core.ResourceProfile{MemoryBytes: int64(scriptInt(t, d, "mem", 0))},
			WorkerPrefix:       "worker-",
			MinSlots:           scriptInt(t, d, "min", 0),
			MaxSlots:           scriptInt(t, d, "max", 0),
			Redundant:          scriptInt(t, d, "redundant", 0),
			TaskManagerTimeout: seconds("idle"),
			StartUp:            seconds("startup"),
			Start:              s.now,
			NewAllocation: func() core.AllocationID {
				s.allocs++
				return scriptAlloc(fmt.Sprint("a", s.allocs))
			},
		}
		if slices.Contains(plain, "pack") {
			cfg.Rule = slots.Pack
		}
		s.m, s.allocs = slots.NewManager(cfg), 0
		return s.effects(s.m.Tick(s.now))
	case "register":
		return s.effects(s.m.Register(s.now, core.ResourceID(plain[0]), instance))
	case "deregister":
		return s.effects(s.m.Deregister(s.now, core.ResourceID(plain[0])))
	case "report":
		asOf := epoch.Add(time.Duration(scriptInt(t, d, "asof", int(s.now.Sub(epoch)/time.Second))) * time.Second)
		return s.effects(s.m.Report(s.now, core.ResourceID(plain[0]), instance, asOf, scriptReport(t, d.Input)))
	case "require":
		var required []slots.Requirement
		for _, p := range plain[1:] {
			r := slots.Requirement{}
			count, mem, sized := strings.Cut(p, "x")
			r.Count, _ = strconv.Atoi(count)
			if sized {
				n, _ := strconv.Atoi(mem)
				r.Profile.MemoryBytes = int64(n)
			}
			required = append(required, r)
		}
		return s.effects(s.m.Require(s.now, scriptJob(plain[0]), required))
	case "requested":
		var err error
		kind := ""
		d.MaybeScanArgs(t, "err", &kind)
		switch kind {
		case "unavailable":
			err = core.E("request slot", core.Unavailable, "", errors.New("lost"))
		case "conflict":
			err = core.E("request slot", core.Conflict, "", errors.New("taken"))
		}
		return s.effects(s.m.Requested(s.now, slot(), scriptAlloc(plain[2]), err))
	case "available":
		return s.effects(s.m.SlotAvailable(s.now, slot(), instance, scriptAlloc(plain[2])))
	case "tick":
		return s.effects(s.m.Tick(s.now))
	case "state":
		return s.state(plain)
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
		return ""
	}
}

func scriptReport(t *testing.T, input string) []slots.SlotReport {
	var report []slots.SlotReport
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		n, err := strconv.Atoi(f[0])
		if err != nil {
			t.Fatal(err)
		}
		r := slots.SlotReport{Number: n}
		if job, alloc, taken := strings.Cut(f[1], ":"); taken {
			r.Job, r.Alloc = scriptJob(job), scriptAlloc(alloc)
		}
		if len(f) > 2 {
			mem, _ := strconv.Atoi(strings.TrimPrefix(f[2], "mem="))
			r.Profile.MemoryBytes = int64(mem)
		}
		report = append(report, r)
	}
	return report
}

func (s *managerScript) effects(out []slots.ManagerEffect) string {
	var b strings.Builder
	for _, e := range out {
		switch e := e.(type) {
		case slots.RequestSlot:
			fmt.Fprintf(&b, "request %s for %s as %s\n", e.Slot, short(e.Job), short(e.Alloc))
		case slots.StartWorkers:
			fmt.Fprintf(&b, "start %v\n", e.IDs)
		case slots.ReleaseWorker:
			fmt.Fprintf(&b, "release %s: %s\n", e.ID, e.Cause)
		case slots.NotEnough:
			fmt.Fprintf(&b, "not enough for %s: needs %d, has %d\n", short(e.Job), e.Needed, e.Have)
		}
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *managerScript) state(tms []string) string {
	var b strings.Builder
	c := s.m.Counts()
	fmt.Fprintf(&b, "%d TaskManagers, %d slots, %d free, %d pending workers", c.TaskManagers, c.Slots, c.Free, c.PendingWorkers)
	if at, ok := s.m.NextTick(s.now); ok {
		fmt.Fprintf(&b, ", next tick at %.0f s", at.Sub(epoch).Seconds())
	}
	b.WriteString("\n")
	for _, tm := range tms {
		for _, r := range s.m.SlotsOf(core.ResourceID(tm)) {
			fmt.Fprintf(&b, "%s_%d %s:%s\n", tm, r.Number, short(r.Job), short(r.Alloc))
		}
	}
	return b.String()
}

// worldTM is a TaskManager of TestManagerConverges: it answers as a real one, but its answers come late, twice or
// not at all.
type worldTM struct {
	instance core.InstanceID
	slots    []slots.SlotReport
}

// L-7, R-16: whatever is lost, late or repeated, no slot is given twice, and once messages arrive again, what the
// Manager believes is what TaskManagers have, and every job has what it requires as far as there are slots.
func TestManagerConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := epoch
		allocs := 0
		m := slots.NewManager(slots.ManagerConfig{Start: now, NewAllocation: func() core.AllocationID {
			allocs++
			return scriptAlloc(fmt.Sprint("a", allocs))
		}})
		tms := make(map[core.ResourceID]*worldTM)
		// Messages that may arrive, in any order. The caller of a lost one notices that it has no answer.
		type message struct{ arrive, lose func() }
		var net []message
		send := func(arrive, lose func()) { net = append(net, message{arrive, lose}) }
		var carry func(out []slots.ManagerEffect)
		carry = func(out []slots.ManagerEffect) {
			for _, e := range out {
				r, ok := e.(slots.RequestSlot)
				if !ok {
					continue
				}
				unanswered := func() {
					carry(m.Requested(now, r.Slot, r.Alloc, core.E("request", core.Unavailable, "", nil)))
				}
				send(func() {
					tm := tms[r.Slot.Resource]
					if tm == nil {
						unanswered()
						return
					}
					var err error
					if r.Slot.Number >= len(tm.slots) {
						err = core.E("request", core.Invalid, "", nil)
					} else if s := &tm.slots[r.Slot.Number]; s.Alloc == (core.AllocationID{}) {
						s.Job, s.Alloc = r.Job, r.Alloc
					} else if s.Alloc != r.Alloc {
						err = core.E("request", core.Conflict, "", nil)
					}
					send(func() { carry(m.Requested(now, r.Slot, r.Alloc, err)) }, unanswered)
				}, unanswered)
			}
		}
		report := func(id core.ResourceID) {
			tm, asOf := tms[id], now
			snapshot := slices.Clone(tm.slots)
			send(func() { carry(m.Report(now, id, tm.instance, asOf, snapshot)) }, func() {})
		}
		register := func(id core.ResourceID, n int) {
			allocs++
			tm := &worldTM{instance: scriptInstance(allocs), slots: make([]slots.SlotReport, n)}
			for i := range tm.slots {
				tm.slots[i].Number = i
			}
			tms[id] = tm
			carry(m.Register(now, id, tm.instance))
			report(id)
		}
		required := make(map[string]int)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			id := core.ResourceID(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "tm"))
			switch rapid.IntRange(0, 8).Draw(t, "action") {
			case 0:
				register(id, rapid.IntRange(1, 3).Draw(t, "slots"))
			case 1:
				delete(tms, id)
				carry(m.Deregister(now, id))
			case 2:
				job := rapid.SampledFrom([]string{"j1", "j2"}).Draw(t, "job")
				required[job] = rapid.IntRange(0, 4).Draw(t, "count")
				carry(m.Require(now, scriptJob(job), []slots.Requirement{{Count: required[job]}}))
			case 3:
				if tms[id] != nil {
					report(id)
				}
			case 4: // an allocation ends
				if tm := tms[id]; tm != nil {
					for i := range tm.slots {
						if s := &tm.slots[i]; s.Alloc != (core.AllocationID{}) {
							alloc, slot := s.Alloc, core.SlotID{Resource: id, Number: i}
							s.Job, s.Alloc = core.JobID{}, core.AllocationID{}
							send(func() { carry(m.SlotAvailable(now, slot, tm.instance, alloc)) }, func() {})
							break
						}
					}
				}
			case 5:
				carry(m.Tick(now))
			default:
				if len(net) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(net)-1).Draw(t, "message")
				next := net[i]
				switch rapid.IntRange(0, 9).Draw(t, "fate") {
				case 0: // lost
					net = slices.Delete(net, i, i+1)
					next.lose()
				case 1: // arrives, and will again
					next.arrive()
				default:
					net = slices.Delete(net, i, i+1)
					next.arrive()
				}
			}
			given := make(map[core.AllocationID]core.SlotID)
			for id := range tms {
				for _, s := range m.SlotsOf(id) {
					if s.Alloc == (core.AllocationID{}) {
						continue
					}
					slot := core.SlotID{Resource: id, Number: s.Number}
					if other, twice := given[s.Alloc]; twice {
						t.Fatalf("allocation %s is both %v and %v", short(s.Alloc), other, slot)
					}
					given[s.Alloc] = slot
				}
			}
		}
		// From here on everything arrives, and reports come each ten seconds.
		for range 20 {
			for len(net) > 0 {
				next := net[0]
				net = net[1:]
				next.arrive()
			}
			now = now.Add(10 * time.Second)
			carry(m.Tick(now))
			for _, id := range []core.ResourceID{"x", "y", "z"} {
				if tms[id] != nil {
					report(id)
				}
			}
		}
		free := 0
		has := make(map[string]int)
		for id, tm := range tms {
			if got := m.SlotsOf(id); !slices.Equal(got, tm.slots) {
				t.Fatalf("%s has %v, believed is %v", id, tm.slots, got)
			}
			for _, s := range tm.slots {
				if s.Alloc == (core.AllocationID{}) {
					free++
				} else {
					has[short(s.Job)]++
				}
			}
		}
		for job, n := range required {
			if has[job] < n && free > 0 {
				t.Fatalf("job %s requires %d slots and has %d, %d are free", job, n, has[job], free)
			}
		}
	})
}

func BenchmarkManagerRequire(b *testing.B) { // a job of 1000 slots on 100 TaskManagers
	for b.Loop() {
		m := slots.NewManager(slots.ManagerConfig{})
		for i := range 100 {
			id := core.ResourceID(fmt.Sprint("tm", i))
			m.Register(epoch, id, scriptInstance(1))
			report := make([]slots.SlotReport, 10)
			for n := range report {
				report[n].Number = n
			}
			m.Report(epoch, id, scriptInstance(1), epoch, report)
		}
		if out := m.Require(epoch, scriptJob("j"), []slots.Requirement{{Count: 1000}}); len(out) != 1000 {
			b.Fatal(len(out))
		}
	}
}
