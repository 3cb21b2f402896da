package slots

import (
	"errors"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
)

// TableState is the state of one slot of a TaskExecutor.
type TableState uint8

// The states of a slot. A slot goes from free to allocated when the ResourceManager gives it to a job, to active when
// the JobMaster took it, and back to free; it is releasing while tasks that must end still run in it.
const (
	TableFree      TableState = iota
	TableAllocated            // given to a job; offered or not, not taken yet. It is freed when that takes too long
	TableActive               // taken by the JobMaster; with tasks or, as S-099 has it, occupied and nothing running
	TableReleasing            // given back, but its tasks have not ended
)

func (s TableState) String() string {
	return [...]string{"FREE", "ALLOCATED", "ACTIVE", "RELEASING"}[s]
}

// TableSlot is one slot as the Table knows it. Job, Alloc and Deadline are zero when it is free.
type TableSlot struct {
	Number   int
	State    TableState
	Job      core.JobID
	Alloc    core.AllocationID
	Profile  core.ResourceProfile
	Deadline time.Time // of an allocated slot: when Expire gives it up
}

// Errors of Table operations; the callers choose by them.
var (
	ErrSlotTaken  = errors.New("slot belongs to another allocation")
	ErrAllocFreed = errors.New("allocation was freed before")
)

// Table is the TaskSlotTable of one TaskExecutor: which of its slots belongs to which job (S-095 to S-103). It is a
// plain value without clock or lock; time comes in as an argument.
type Table struct {
	resource core.ResourceID
	timeout  time.Duration
	slots    []TableSlot
	byAlloc  map[core.AllocationID]int
	// freed remembers the allocations that ended lately, so that a repeated or late request for one of them cannot
	// bring it back to life: the JobMaster gave it up, and an allocation id is never used twice.
	freed     map[core.AllocationID]struct{}
	freedRing []core.AllocationID
	freedNext int
}

// freedMemory bounds how many ended allocations a Table remembers.
const freedMemory = 1024

// NewTable makes the table of n free slots of one profile. A slot that no JobMaster takes within timeout is given up.
func NewTable(resource core.ResourceID, n int, profile core.ResourceProfile, timeout time.Duration) *Table {
	t := &Table{
		resource: resource,
		timeout:  timeout,
		slots:    make([]TableSlot, n),
		byAlloc:  make(map[core.AllocationID]int),
		freed:    make(map[core.AllocationID]struct{}),
	}
	for i := range t.slots {
		t.slots[i] = TableSlot{Number: i, Profile: profile}
	}
	return t
}

// Allocate gives slot number to a job. Repeating it for the same allocation is harmless, whatever became of it in
// between; fresh tells whether this call did it.
func (t *Table) Allocate(number int, job core.JobID, alloc core.AllocationID, now time.Time) (fresh bool, err error) {
	if number < 0 || number >= len(t.slots) {
		return false, core.E("allocate slot", core.Invalid, t.slotID(number).String(),
			fmt.Errorf("there are %d slots, numbered from 0", len(t.slots)))
	}
	if i, ok := t.byAlloc[alloc]; ok {
		s := t.slots[i]
		if s.Job != job || i != number {
			return false, core.E("allocate slot", core.Conflict, t.slotID(number).String(),
				fmt.Errorf("allocation %s is slot %d of job %s: %w", alloc, i, s.Job, ErrSlotTaken))
		}
		if s.State == TableReleasing {
			return false, core.E("allocate slot", core.Conflict, t.slotID(number).String(), ErrAllocFreed)
		}
		return false, nil
	}
	if _, dead := t.freed[alloc]; dead {
		return false, core.E("allocate slot", core.Conflict, t.slotID(number).String(), ErrAllocFreed)
	}
	s := &t.slots[number]
	if s.State != TableFree {
		return false, core.E("allocate slot", core.Conflict, t.slotID(number).String(),
			fmt.Errorf("it is %s for job %s, allocation %s: %w", s.State, s.Job, s.Alloc, ErrSlotTaken))
	}
	s.State, s.Job, s.Alloc, s.Deadline = TableAllocated, job, alloc, now.Add(t.timeout)
	t.byAlloc[alloc] = number
	return true, nil
}

// Activate notes that the JobMaster took the slot. It tells whether the slot is active now: an allocation that was
// freed meanwhile is not.
func (t *Table) Activate(alloc core.AllocationID) bool {
	i, ok := t.byAlloc[alloc]
	if !ok || t.slots[i].State == TableReleasing {
		return false
	}
	t.slots[i].State, t.slots[i].Deadline = TableActive, time.Time{}
	return true
}

// Release marks a slot whose tasks are still to end. Free follows when they did.
func (t *Table) Release(alloc core.AllocationID) (TableSlot, bool) {
	i, ok := t.byAlloc[alloc]
	if !ok {
		return TableSlot{}, false
	}
	t.slots[i].State, t.slots[i].Deadline = TableReleasing, time.Time{}
	return t.slots[i], true
}

// Free ends an allocation and returns the slot as it was before; false if there is no such allocation.
func (t *Table) Free(alloc core.AllocationID) (TableSlot, bool) {
	i, ok := t.byAlloc[alloc]
	if !ok {
		return TableSlot{}, false
	}
	was := t.slots[i]
	t.slots[i] = TableSlot{Number: i, Profile: was.Profile}
	delete(t.byAlloc, alloc)
	t.remember(alloc)
	return was, true
}

func (t *Table) remember(alloc core.AllocationID) {
	if len(t.freedRing) < freedMemory {
		t.freedRing = append(t.freedRing, alloc)
	} else {
		delete(t.freed, t.freedRing[t.freedNext])
		t.freedRing[t.freedNext] = alloc
		t.freedNext = (t.freedNext + 1) % freedMemory
	}
	t.freed[alloc] = struct{}{}
}

// Slot returns the slot of an allocation.
func (t *Table) Slot(alloc core.AllocationID) (TableSlot, bool) {
	i, ok := t.byAlloc[alloc]
	if !ok {
		return TableSlot{}, false
	}
	return t.slots[i], true
}

// Slots returns all slots by number. The result is a copy.
func (t *Table) Slots() []TableSlot { return append([]TableSlot(nil), t.slots...) }

// Job returns the slots of one job by number, releasing ones included.
func (t *Table) Job(job core.JobID) []TableSlot {
	var of []TableSlot
	for _, s := range t.slots {
		if s.State != TableFree && s.Job == job {
			of = append(of, s)
		}
	}
	return of
}

// Inactive returns the slots of a job that its JobMaster has still to take.
func (t *Table) Inactive(job core.JobID) []TableSlot {
	var of []TableSlot
	for _, s := range t.slots {
		if s.State == TableAllocated && s.Job == job {
			of = append(of, s)
		}
	}
	return of
}

// Expired returns the slots that no JobMaster took in time. They stay allocated until Free.
func (t *Table) Expired(now time.Time) []TableSlot {
	var of []TableSlot
	for _, s := range t.slots {
		if s.State == TableAllocated && !s.Deadline.After(now) {
			of = append(of, s)
		}
	}
	return of
}

// NextExpiry returns the earliest instant at which Expired would return a slot.
func (t *Table) NextExpiry() (at time.Time, ok bool) {
	for _, s := range t.slots {
		if s.State == TableAllocated && (!ok || s.Deadline.Before(at)) {
			at, ok = s.Deadline, true
		}
	}
	return at, ok
}

// Counts returns how many slots there are and how many of them are free.
func (t *Table) Counts() (total, free int) {
	for _, s := range t.slots {
		if s.State == TableFree {
			free++
		}
	}
	return len(t.slots), free
}

// ID returns the slot's name in the cluster.
func (t *Table) ID(s TableSlot) core.SlotID { return t.slotID(s.Number) }

func (t *Table) slotID(number int) core.SlotID {
	return core.SlotID{Resource: t.resource, Number: number}
}
