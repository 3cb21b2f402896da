package slots

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/flink-go/flink-go/core"
)

// The scripts name jobs and allocations by single letters and time by seconds since the start.
func TestTable(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	datadriven.Walk(t, "testdata/table", func(t *testing.T, path string) {
		var table *Table
		now := start
		allocs := map[string]core.AllocationID{}
		jobs := map[string]core.JobID{}
		alloc := func(name string) core.AllocationID {
			if _, ok := allocs[name]; !ok {
				allocs[name] = core.NewAllocationID()
			}
			return allocs[name]
		}
		job := func(name string) core.JobID {
			if _, ok := jobs[name]; !ok {
				jobs[name] = core.NewJobID()
			}
			return jobs[name]
		}
		nameOf := func(id core.AllocationID) string {
			for n, x := range allocs {
				if x == id {
					return n
				}
			}
			return "?"
		}
		jobNameOf := func(id core.JobID) string {
			for n, x := range jobs {
				if x == id {
					return n
				}
			}
			return "?"
		}
		show := func(list []TableSlot) string {
			if len(list) == 0 {
				return "none\n"
			}
			var b strings.Builder
			for _, s := range list {
				fmt.Fprintf(&b, "%d %s", s.Number, s.State)
				if s.State != TableFree {
					fmt.Fprintf(&b, " job=%s alloc=%s", jobNameOf(s.Job), nameOf(s.Alloc))
				}
				if !s.Deadline.IsZero() {
					fmt.Fprintf(&b, " until=%ds", int(s.Deadline.Sub(start).Seconds()))
				}
				b.WriteString("\n")
			}
			return b.String()
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			arg := func(key string) string {
				var v string
				d.ScanArgs(t, key, &v)
				return v
			}
			switch d.Cmd {
			case "table":
				var n, timeout int
				d.ScanArgs(t, "slots", &n)
				d.ScanArgs(t, "timeout", &timeout)
				table = NewTable("tm", n, core.ResourceProfile{}, time.Duration(timeout)*time.Second)
			case "now":
				var s int
				d.ScanArgs(t, "at", &s)
				now = start.Add(time.Duration(s) * time.Second)
				return ""
			case "allocate":
				var n int
				d.ScanArgs(t, "slot", &n)
				fresh, err := table.Allocate(n, job(arg("job")), alloc(arg("alloc")), now)
				switch {
				case errors.Is(err, ErrSlotTaken):
					return fmt.Sprintf("%s: slot taken\n", core.KindOf(err))
				case errors.Is(err, ErrAllocFreed):
					return fmt.Sprintf("%s: allocation freed\n", core.KindOf(err))
				case err != nil:
					return fmt.Sprintf("%s: %v\n", core.KindOf(err), err)
				case !fresh:
					return "known\n" + show(table.Slots())
				}
			case "activate":
				if !table.Activate(alloc(arg("alloc"))) {
					return "no\n"
				}
			case "release":
				if _, ok := table.Release(alloc(arg("alloc"))); !ok {
					return "no\n"
				}
			case "free":
				if _, ok := table.Free(alloc(arg("alloc"))); !ok {
					return "no\n"
				}
			case "expired":
				return show(table.Expired(now))
			case "next":
				at, ok := table.NextExpiry()
				if !ok {
					return "never\n"
				}
				return fmt.Sprintf("%ds\n", int(at.Sub(start).Seconds()))
			case "job":
				return show(table.Job(job(arg("name"))))
			case "inactive":
				return show(table.Inactive(job(arg("name"))))
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			return show(table.Slots())
		})
	})
}

func TestTableForgetsOldAllocations(t *testing.T) {
	table := NewTable("tm", 1, core.ResourceProfile{}, time.Second)
	job, first := core.NewJobID(), core.NewAllocationID()
	now := time.Unix(0, 0)
	for i := range freedMemory + 1 {
		id := first
		if i > 0 {
			id = core.NewAllocationID()
		}
		if _, err := table.Allocate(0, job, id, now); err != nil {
			t.Fatal(err)
		}
		table.Free(id)
	}
	if n := len(table.freed); n != freedMemory {
		t.Errorf("remembers %d freed allocations, want %d", n, freedMemory)
	}
	if _, err := table.Allocate(0, job, first, now); err != nil {
		t.Errorf("the oldest allocation is still remembered: %v", err)
	}
}
