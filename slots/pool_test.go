package slots

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
)

// TestPoolScripts runs testdata/pool/*.txt: requests, offers and losses, each with what the pool wants to be done.
// Allocations are numbered 1, 2, ...; time stands still but for `tick`.
func TestPoolScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/pool", func(t *testing.T, path string) {
		s := &poolScript{now: time.UnixMilli(1_000_000)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

type poolScript struct {
	p   *Pool
	now time.Time
}

func (s *poolScript) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	text := func(name, otherwise string) string {
		if d.HasArg(name) {
			d.ScanArgs(t, name, &otherwise)
		}
		return otherwise
	}
	numbers := func(name string) []int {
		var ns []int
		for _, a := range d.CmdArgs {
			if a.Key == name {
				for _, v := range a.Vals {
					n, err := strconv.Atoi(v)
					if err != nil {
						d.Fatalf(t, "%v", err)
					}
					ns = append(ns, n)
				}
			}
		}
		return ns
	}
	tm := core.ResourceID(text("tm", ""))
	memory, _ := strconv.ParseInt(text("memory", "0"), 10, 64)
	profile := core.ResourceProfile{MemoryBytes: memory}
	switch d.Cmd {
	case "pool": // request timeout 5 min, idle timeout 50 s
		s.p = NewPool(5*time.Minute, 50*time.Second)
		return ""
	case "request": // ids=(0,1) [memory=n] [like=alloc on=tm]
		var rs []PoolRequest
		for _, id := range numbers("ids") {
			r := PoolRequest{ID: id, Profile: profile, PreferOn: core.ResourceID(text("on", ""))}
			if like := numbers("like"); len(like) > 0 {
				r.Prefer = core.AllocationID{byte(like[0])}
			}
			rs = append(rs, r)
		}
		return s.show(s.p.Request(s.now, rs))
	case "return":
		return s.show(s.p.Return(s.now, numbers("ids")))
	case "offer": // tm=a allocs=(1,2) [memory=n] [data=address]
		var offers []PoolSlot
		for _, n := range numbers("allocs") {
			offers = append(offers, PoolSlot{
				Alloc: core.AllocationID{byte(n)}, Slot: core.SlotID{Resource: tm, Number: n}, Profile: profile, DataAddress: text("data", "data"),
			})
		}
		accepted, effects := s.p.Offer(s.now, tm, offers)
		out := "accepted"
		for _, a := range accepted {
			out += fmt.Sprintf(" %d", a[0])
		}
		return out + "\n" + s.show(effects)
	case "fail-slot":
		return s.show(s.p.FailSlot(tm, core.AllocationID{byte(numbers("alloc")[0])}, errors.New(text("cause", "failed"))))
	case "drop":
		return s.show(s.p.DropTaskManager(tm, errors.New(text("cause", "gone"))))
	case "report":
		var held []core.AllocationID
		for _, n := range numbers("allocs") {
			held = append(held, core.AllocationID{byte(n)})
		}
		return s.show(s.p.Report(tm, held))
	case "cluster":
		n := numbers("slots")
		s.p.SetCluster(PoolCluster{Reached: true, Known: true, TaskManagers: n[0], Total: n[1], Free: n[2]})
		return ""
	case "tick":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.now = s.now.Add(by)
		return s.show(s.p.Tick(s.now))
	case "release-all":
		return s.show(s.p.ReleaseAll("the job has ended"))
	case "state":
		c := s.p.Counts()
		out := fmt.Sprintf("needs %d, %d pending, %d slots, %d free\n", c.Needed, c.Pending, c.Slots, c.Free)
		if w := s.p.Waiting(); w != "" {
			out += "waits for " + w + "\n"
		}
		if at, ok := s.p.NextTick(); ok {
			out += fmt.Sprintf("next tick in %v\n", at.Sub(s.now))
		}
		return out
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
		return ""
	}
}

func (s *poolScript) show(effects []PoolEffect) string {
	var b strings.Builder
	for _, e := range effects {
		switch e := e.(type) {
		case PoolDeclare:
			b.WriteString("declare")
			for _, r := range e.Required {
				fmt.Fprintf(&b, " %d", r.Count)
				if r.Profile.MemoryBytes > 0 {
					fmt.Fprintf(&b, "(memory %d)", r.Profile.MemoryBytes)
				}
			}
			if len(e.Required) == 0 {
				b.WriteString(" nothing")
			}
			b.WriteString("\n")
		case PoolAssigned:
			fmt.Fprintf(&b, "request %d has slot %d on %s at %s\n", e.Request, e.Slot.Alloc[0], e.Slot.Slot.Resource, e.Slot.DataAddress)
		case PoolFailed:
			fmt.Fprintf(&b, "requests %v failed: %s: %v\n", e.Requests, core.KindOf(e.Err), e.Err)
		case PoolLost:
			fmt.Fprintf(&b, "request %d lost slot %d: %v\n", e.Request, e.Slot.Alloc[0], e.Cause)
		case PoolRelease:
			fmt.Fprintf(&b, "free slot %d on %s: %s\n", e.Slot.Alloc[0], e.Slot.Slot.Resource, e.Cause)
		}
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

// TestPoolLaws: whatever happens in whatever order, no slot serves two requests and no request has two slots,
// every slot that was accepted is lost or released exactly once, and what is declared is what is requested.
func TestPoolLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPool(5*time.Minute, 50*time.Second)
		now := time.UnixMilli(0)
		tms := []core.ResourceID{"a", "b", "c"}
		var next uint32
		requests := map[int]core.AllocationID{} // open requests with their slot, zero: pending
		inPool := map[core.AllocationID]core.ResourceID{}
		declared := 0
		former := map[int]PoolSlot{}
		drop := func(alloc core.AllocationID) {
			if _, ok := inPool[alloc]; !ok {
				t.Fatalf("slot %x leaves the pool, but is not in it", alloc[:4])
			}
			delete(inPool, alloc)
		}
		apply := func(effects []PoolEffect) {
			for _, e := range effects {
				switch e := e.(type) {
				case PoolAssigned:
					had, open := requests[e.Request]
					if !open || had != (core.AllocationID{}) && had != e.Slot.Alloc {
						t.Fatalf("request %d: open %v, had %x, got %x", e.Request, open, had[:4], e.Slot.Alloc[:4])
					}
					for id, alloc := range requests {
						if id != e.Request && alloc == e.Slot.Alloc {
							t.Fatalf("slot %x serves requests %d and %d", alloc[:4], id, e.Request)
						}
					}
					requests[e.Request] = e.Slot.Alloc
					former[e.Request] = e.Slot
				case PoolFailed:
					for _, id := range e.Requests {
						if alloc, open := requests[id]; !open || alloc != (core.AllocationID{}) {
							t.Fatalf("request %d failed, but is not pending", id)
						}
						delete(requests, id)
					}
				case PoolLost:
					if requests[e.Request] != e.Slot.Alloc {
						t.Fatalf("request %d lost a slot that it did not have", e.Request)
					}
					delete(requests, e.Request)
					drop(e.Slot.Alloc)
				case PoolRelease:
					if _, known := inPool[e.Slot.Alloc]; known { // else a repeated order to free it
						drop(e.Slot.Alloc)
					}
					for id, alloc := range requests {
						if alloc == e.Slot.Alloc {
							t.Fatalf("slot of request %d is released", id)
						}
					}
				case PoolDeclare:
					declared = 0
					for _, r := range e.Required {
						declared += r.Count
					}
				}
			}
		}
		// forget drops the free slots that the pool lost silently: nobody has to be told about those.
		forget := func(on core.ResourceID, only core.AllocationID) {
			used := map[core.AllocationID]bool{}
			for _, alloc := range requests {
				used[alloc] = true
			}
			for alloc, tm := range maps.Clone(inPool) {
				if tm == on && !used[alloc] && (only == core.AllocationID{} || only == alloc) {
					delete(inPool, alloc)
				}
			}
		}
		anySlot := func() core.AllocationID {
			all := slices.SortedFunc(maps.Keys(inPool), func(a, b core.AllocationID) int { return strings.Compare(a.String(), b.String()) })
			if len(all) == 0 {
				return core.AllocationID{}
			}
			return rapid.SampledFrom(all).Draw(t, "slot")
		}
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				var rs []PoolRequest
				for _, id := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 1, 5, rapid.ID[int]).Draw(t, "ids") {
					rs = append(rs, PoolRequest{ID: id, Prefer: former[id].Alloc, PreferOn: former[id].Slot.Resource})
					if _, open := requests[id]; !open {
						requests[id] = core.AllocationID{}
					}
				}
				apply(p.Request(now, rs))
			},
			"return": func(t *rapid.T) {
				ids := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 4).Draw(t, "ids")
				for _, id := range ids {
					delete(requests, id)
				}
				apply(p.Return(now, ids))
			},
			"offer": func(t *rapid.T) {
				tm := rapid.SampledFrom(tms).Draw(t, "tm")
				var offers []PoolSlot
				for range rapid.IntRange(1, 3).Draw(t, "n") {
					next++
					offers = append(offers, PoolSlot{Alloc: core.AllocationID{byte(next), byte(next >> 8), byte(next >> 16), 1}, Slot: core.SlotID{Resource: tm, Number: int(next)}})
				}
				for range rapid.IntRange(1, 2).Draw(t, "times") { // a repeated offer gives the same answer
					accepted, effects := p.Offer(now, tm, offers)
					for _, alloc := range accepted {
						inPool[alloc] = tm
					}
					apply(effects)
				}
			},
			"fail": func(*rapid.T) {
				alloc := anySlot()
				tm := inPool[alloc]
				effects := p.FailSlot(tm, alloc, errors.New("failed"))
				if len(effects) == 0 {
					delete(inPool, alloc)
				}
				apply(effects)
				forget(tm, alloc)
			},
			"drop": func(t *rapid.T) {
				tm := rapid.SampledFrom(tms).Draw(t, "tm")
				apply(p.DropTaskManager(tm, errors.New("gone")))
				forget(tm, core.AllocationID{})
			},
			"tick": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second)
				apply(p.Tick(now))
				if at, ok := p.NextTick(); ok && !at.After(now) {
					t.Fatalf("the next tick is not in the future")
				}
			},
			"": func(t *rapid.T) {
				c := p.Counts()
				pending := 0
				for _, alloc := range requests {
					if alloc == (core.AllocationID{}) {
						pending++
					}
				}
				want := PoolCounts{Needed: len(requests), Pending: pending, Free: len(inPool) - (len(requests) - pending), Slots: len(inPool)}
				if c != want || declared != len(requests) {
					t.Fatalf("the pool counts %+v and declared %d, it should be %+v", c, declared, want)
				}
				if c.Pending > 0 && c.Free > 0 {
					t.Fatalf("%d requests wait although %d slots are free", c.Pending, c.Free)
				}
			},
		})
		clear(requests)
		apply(p.ReleaseAll("over"))
		if len(inPool) > 0 || p.Counts() != (PoolCounts{}) || declared != 0 {
			t.Fatalf("left after the end: %+v, %d declared", p.Counts(), declared)
		}
	})
}

func BenchmarkPool(b *testing.B) {
	const n = 1000
	requests := make([]PoolRequest, n)
	offers := make([]PoolSlot, n)
	ids := make([]int, n)
	for i := range n {
		requests[i].ID, ids[i] = i, i
		offers[i] = PoolSlot{Alloc: core.AllocationID{byte(i), byte(i >> 8), 1}, Slot: core.SlotID{Resource: "a", Number: i}}
	}
	for b.Loop() {
		p := NewPool(time.Minute, time.Minute)
		now := time.UnixMilli(0)
		p.Request(now, requests)
		p.Offer(now, "a", offers)
		p.Return(now, ids)
		p.ReleaseAll("over")
	}
}
