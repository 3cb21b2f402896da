package slots

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
)

// Pool is the SlotPool of one JobMaster (S-097 to S-103): the slots that TaskManagers gave to the job, and the
// requests of its scheduler that wait for one. What is requested is declared as a requirement; TaskManagers then
// offer slots, and each offer completes a pending request or is refused. A slot that is given back stays for a while:
// a restarted task finds its former slot, and so its former TaskManager, without asking anybody.
//
// It is a plain value without clock or lock: one goroutine calls it, time comes in as an argument, effects go out.
type Pool struct {
	requestTimeout time.Duration
	idleTimeout    time.Duration

	requests map[int]*poolRequest // pending and assigned
	slots    map[core.AllocationID]*poolSlot
	byTM     map[core.ResourceID]map[core.AllocationID]*poolSlot
	idle     []idleSlot // free slots, longest idle first; those in use since then are skipped and dropped

	waiting map[core.ResourceID]*poolQueue // pending requests by the TaskManager they prefer
	pending []*poolRequest                 // all pending requests, oldest first; completed ones are skipped and dropped
	nFree   int
	nWait   int

	required map[core.ResourceProfile]int // of all requests
	declared []Requirement                // what was last declared
	cluster  PoolCluster

	// released remembers allocations that the pool gave up, so that a late offer does not bring one back and a
	// TaskManager that still reports one is told again (L-7). Bounded by releasedMemory.
	released     map[core.AllocationID]struct{}
	releasedRing []core.AllocationID
	releasedNext int
}

// releasedMemory bounds how many released allocations a Pool remembers.
const releasedMemory = 4096

// PoolSlot is a slot that a TaskManager offers to a job.
type PoolSlot struct {
	Alloc       core.AllocationID
	Slot        core.SlotID
	Profile     core.ResourceProfile
	DataAddress string // where the worker that serves it accepts data connections
}

// PoolRequest asks for one slot. ID is the requester's own number for it; it may be used again once it was returned,
// lost or failed.
type PoolRequest struct {
	ID      int
	Profile core.ResourceProfile
	// Prefer and PreferOn name the slot and the TaskManager that served this request before (S-101); zero: none.
	Prefer   core.AllocationID
	PreferOn core.ResourceID
}

// Requirement is a number of slots of one profile.
type Requirement struct {
	Profile core.ResourceProfile
	Count   int
}

// PoolCluster is what the JobMaster last heard of the cluster's slots, for messages to people.
type PoolCluster struct {
	Reached      bool // there is a connection to the ResourceManager
	Known        bool // it said what there is:
	TaskManagers int
	Total, Free  int
}

// PoolEffect is what the owner of a Pool must do, in order: one of PoolDeclare, PoolAssigned, PoolFailed, PoolLost,
// PoolRelease.
type PoolEffect interface{ poolEffect() }

// PoolDeclare says what the job needs now; it replaces every earlier declaration.
type PoolDeclare struct{ Required []Requirement }

// PoolAssigned completes a request. It comes again for the same request when the TaskManager offered the same slot
// anew with another data address.
type PoolAssigned struct {
	Request int
	Slot    PoolSlot
}

// PoolFailed ends requests that waited longer than slot.request.timeout. Err has kind NoResource.
type PoolFailed struct {
	Requests []int
	Err      error
}

// PoolLost says that the slot of an assigned request is gone; the request has ended.
type PoolLost struct {
	Request int
	Slot    PoolSlot
	Cause   error
}

// PoolRelease gives a slot back: the TaskManager must free it (S-103).
type PoolRelease struct {
	Slot  PoolSlot
	Cause string
}

func (PoolDeclare) poolEffect()  {}
func (PoolAssigned) poolEffect() {}
func (PoolFailed) poolEffect()   {}
func (PoolLost) poolEffect()     {}
func (PoolRelease) poolEffect()  {}

type poolRequest struct {
	PoolRequest
	deadline time.Time // while pending
	slot     *poolSlot // nil: pending
	ended    bool      // completed requests leave the queues lazily; so do ended ones
}

func (r *poolRequest) waits() bool { return r.slot == nil && !r.ended }

type poolSlot struct {
	PoolSlot
	request   *poolRequest // nil: free
	idleSince time.Time    // when free
	gone      bool         // not in the pool any more
	missed    int          // reports in a row that did not list it
}

func (s *poolSlot) free() bool { return s.request == nil && !s.gone }

// idleSlot is a slot in the list of free ones, since it became free at a certain time.
type idleSlot struct {
	*poolSlot
	since time.Time
}

// still tells whether the slot has been free ever since.
func (s idleSlot) still() bool { return s.free() && s.idleSince.Equal(s.since) }

// poolQueue is a queue whose completed entries are skipped when they come to its head.
type poolQueue struct{ requests []*poolRequest }

// take removes and returns the oldest waiting request that a slot of this profile can serve, nil if there is none.
func (q *poolQueue) take(profile core.ResourceProfile) *poolRequest {
	for len(q.requests) > 0 && !q.requests[0].waits() {
		q.requests = q.requests[1:]
	}
	for i, r := range q.requests {
		if r.waits() && profile.Matches(r.Profile) {
			if i == 0 {
				q.requests = q.requests[1:]
			} else {
				q.requests = slices.Delete(q.requests, i, i+1)
			}
			return r
		}
	}
	return nil
}

// NewPool makes an empty pool. A request fails when it waited for requestTimeout; a slot that is free for idleTimeout
// is released.
func NewPool(requestTimeout, idleTimeout time.Duration) *Pool {
	return &Pool{
		requestTimeout: requestTimeout,
		idleTimeout:    idleTimeout,
		requests:       map[int]*poolRequest{},
		slots:          map[core.AllocationID]*poolSlot{},
		byTM:           map[core.ResourceID]map[core.AllocationID]*poolSlot{},
		waiting:        map[core.ResourceID]*poolQueue{},
		required:       map[core.ResourceProfile]int{},
		released:       map[core.AllocationID]struct{}{},
	}
}

// Request asks for slots. Free slots complete requests at once: first each request's former slot, then a slot on its
// former TaskManager, then any. The others wait for offers, in their order. A request whose ID is in use is ignored.
func (p *Pool) Request(now time.Time, requests []PoolRequest) []PoolEffect {
	var out []PoolEffect
	open := make([]*poolRequest, 0, len(requests))
	for _, q := range requests {
		if p.requests[q.ID] != nil {
			continue
		}
		r := &poolRequest{PoolRequest: q, deadline: now.Add(p.requestTimeout)}
		p.requests[q.ID] = r
		p.required[q.Profile]++
		open = append(open, r)
	}
	fits := []func(r *poolRequest) *poolSlot{
		func(r *poolRequest) *poolSlot {
			if s := p.slots[r.Prefer]; s != nil && s.free() && s.Profile.Matches(r.Profile) {
				return s
			}
			return nil
		},
		func(r *poolRequest) *poolSlot { return p.freeSlot(r.Profile, r.PreferOn) },
		func(r *poolRequest) *poolSlot { return p.freeSlot(r.Profile, "") },
	}
	for step, find := range fits {
		if p.nFree == 0 {
			break
		}
		rest := open[:0]
		for _, r := range open {
			var s *poolSlot
			if step != 1 || r.PreferOn != "" {
				s = find(r)
			}
			if s == nil {
				rest = append(rest, r)
				continue
			}
			out = append(out, p.assign(r, s))
		}
		open = rest
	}
	for _, r := range open {
		p.enqueue(r)
	}
	return p.declare(out)
}

func (p *Pool) enqueue(r *poolRequest) {
	p.nWait++
	p.pending = append(p.pending, r)
	q := p.waiting[r.PreferOn]
	if q == nil {
		q = &poolQueue{}
		p.waiting[r.PreferOn] = q
	}
	q.requests = append(q.requests, r)
}

// freeSlot returns the longest idle free slot that fits, on one TaskManager or, for "", on any; nil if there is none.
func (p *Pool) freeSlot(want core.ResourceProfile, on core.ResourceID) *poolSlot {
	if p.nFree == 0 {
		return nil
	}
	p.trim()
	for _, s := range p.idle {
		if s.still() && (on == "" || s.Slot.Resource == on) && s.Profile.Matches(want) {
			return s.poolSlot
		}
	}
	return nil
}

// assign completes a request with a free slot.
func (p *Pool) assign(r *poolRequest, s *poolSlot) PoolEffect {
	if !s.free() || !r.waits() {
		panic("slots: a slot or a request would be used twice")
	}
	r.slot, s.request = s, r
	p.nFree--
	return PoolAssigned{r.ID, s.PoolSlot}
}

// setFree puts a slot among the free ones, or gives it to the next pending request.
func (p *Pool) setFree(now time.Time, s *poolSlot, out []PoolEffect) []PoolEffect {
	s.request, s.idleSince = nil, now
	p.nFree++
	if r := p.nextFor(s); r != nil {
		p.nWait--
		return append(out, p.assign(r, s))
	}
	p.idle = append(p.idle, idleSlot{s, now})
	return out
}

// nextFor takes the request that a slot serves best: one that had a slot on this TaskManager, else one without
// preference, else the oldest.
func (p *Pool) nextFor(s *poolSlot) *poolRequest {
	if p.nWait == 0 {
		return nil
	}
	for _, on := range []core.ResourceID{s.Slot.Resource, ""} {
		if q := p.waiting[on]; q != nil {
			if r := q.take(s.Profile); r != nil {
				return r
			}
			if len(q.requests) == 0 {
				delete(p.waiting, on)
			}
		}
	}
	p.trim()
	for _, r := range p.pending {
		if r.waits() && s.Profile.Matches(r.Profile) {
			return r
		}
	}
	return nil
}

// Return ends requests: the pending ones are withdrawn, the slots of the others become free and are kept for
// slot.idle.timeout (S-100). Unknown IDs are ignored.
func (p *Pool) Return(now time.Time, ids []int) []PoolEffect {
	var out []PoolEffect
	var freed []*poolSlot
	for _, id := range ids {
		r := p.requests[id]
		if r == nil {
			continue
		}
		if s := p.end(r); s != nil {
			freed = append(freed, s)
		}
	}
	for _, s := range freed { // after all have ended, so that no slot completes a request that ends with it
		out = p.setFree(now, s, out)
	}
	return p.declare(out)
}

// end forgets a request and returns the slot that it had.
func (p *Pool) end(r *poolRequest) *poolSlot {
	if r.slot == nil {
		p.nWait--
	}
	r.ended = true
	delete(p.requests, r.ID)
	if p.required[r.Profile]--; p.required[r.Profile] == 0 {
		delete(p.required, r.Profile)
	}
	return r.slot
}

// Offer takes the slots that complete pending requests and refuses the others. A slot that the pool has already is
// accepted again, so that an offer whose answer was lost can be repeated; one that it released is refused.
func (p *Pool) Offer(now time.Time, from core.ResourceID, offers []PoolSlot) (accepted []core.AllocationID, out []PoolEffect) {
	for _, offer := range offers {
		if offer.Slot.Resource != from {
			continue
		}
		if s := p.slots[offer.Alloc]; s != nil {
			if s.Slot != offer.Slot {
				continue // an allocation is of one slot
			}
			accepted = append(accepted, offer.Alloc)
			s.missed = 0
			if s.DataAddress != offer.DataAddress {
				s.DataAddress = offer.DataAddress
				if s.request != nil {
					out = append(out, PoolAssigned{s.request.ID, s.PoolSlot})
				}
			}
			continue
		}
		if _, gone := p.released[offer.Alloc]; gone {
			continue
		}
		s := &poolSlot{PoolSlot: offer}
		r := p.nextFor(s)
		if r == nil {
			continue
		}
		p.slots[offer.Alloc] = s
		if p.byTM[from] == nil {
			p.byTM[from] = map[core.AllocationID]*poolSlot{}
		}
		p.byTM[from][offer.Alloc] = s
		p.nFree++
		p.nWait--
		out = append(out, p.assign(r, s))
		accepted = append(accepted, offer.Alloc)
	}
	return accepted, p.declare(out)
}

// FailSlot says that a slot is gone. The pool forgets it; if it served a request, PoolLost says so.
func (p *Pool) FailSlot(from core.ResourceID, alloc core.AllocationID, cause error) []PoolEffect {
	s := p.slots[alloc]
	if s == nil || s.Slot.Resource != from {
		return nil
	}
	return p.declare(p.lose(nil, s, cause))
}

// DropTaskManager says that a TaskManager is gone, with all its slots.
func (p *Pool) DropTaskManager(from core.ResourceID, cause error) []PoolEffect {
	var out []PoolEffect
	for _, s := range p.slotsOf(from) {
		out = p.lose(out, s, cause)
	}
	return p.declare(out)
}

// slotsOf lists the slots of a TaskManager in order of their numbers.
func (p *Pool) slotsOf(from core.ResourceID) []*poolSlot {
	return slices.SortedFunc(maps.Values(p.byTM[from]), func(a, b *poolSlot) int {
		return cmp.Compare(a.Slot.Number, b.Slot.Number)
	})
}

func (p *Pool) lose(out []PoolEffect, s *poolSlot, cause error) []PoolEffect {
	r := s.request
	p.remove(s)
	if r == nil {
		return out
	}
	p.end(r)
	return append(out, PoolLost{r.ID, s.PoolSlot, cause})
}

// remove takes a slot out of the pool for good.
func (p *Pool) remove(s *poolSlot) {
	if s.request == nil {
		p.nFree--
	}
	s.gone = true
	delete(p.slots, s.Alloc)
	delete(p.byTM[s.Slot.Resource], s.Alloc)
	if len(p.byTM[s.Slot.Resource]) == 0 {
		delete(p.byTM, s.Slot.Resource)
	}
	p.remember(s.Alloc)
}

func (p *Pool) remember(alloc core.AllocationID) {
	if len(p.releasedRing) < releasedMemory {
		p.releasedRing = append(p.releasedRing, alloc)
	} else {
		delete(p.released, p.releasedRing[p.releasedNext])
		p.releasedRing[p.releasedNext] = alloc
		p.releasedNext = (p.releasedNext + 1) % releasedMemory
	}
	p.released[alloc] = struct{}{}
}

// reportMisses is how many reports in a row must lack a slot until it counts as lost: one report may have been
// written before the slot was offered.
const reportMisses = 2

// Report compares the pool with the allocations that a TaskManager says it holds for the job (L-7). A slot that it
// lost is lost here too; one that the pool has released is released again, because that message may have been lost.
// Unknown ones are about to be offered.
func (p *Pool) Report(from core.ResourceID, held []core.AllocationID) []PoolEffect {
	var out []PoolEffect
	seen := make(map[core.AllocationID]bool, len(held))
	for _, alloc := range held {
		seen[alloc] = true
		if _, gone := p.released[alloc]; gone {
			out = append(out, PoolRelease{PoolSlot{Alloc: alloc, Slot: core.SlotID{Resource: from}}, "the slot was released before"})
		}
	}
	for _, s := range p.slotsOf(from) {
		if seen[s.Alloc] {
			s.missed = 0
			continue
		}
		if s.missed++; s.missed >= reportMisses {
			out = p.lose(out, s, core.E("use slot", core.Unavailable, s.Slot.String(),
				errors.New("the TaskManager does not hold it any more")))
		}
	}
	return p.declare(out)
}

// Tick fails the requests that waited too long and releases the slots that were free too long (S-102).
func (p *Pool) Tick(now time.Time) []PoolEffect {
	var out []PoolEffect
	p.trim()
	if len(p.pending) > 0 && !p.pending[0].deadline.After(now) {
		err := p.noResource() // before the requests end, so that the text counts them
		var failed []int
		for _, r := range p.pending {
			if r.deadline.After(now) {
				break
			}
			if r.waits() {
				p.end(r)
				failed = append(failed, r.ID)
			}
		}
		p.trim()
		out = append(out, PoolFailed{failed, err})
	}
	for len(p.idle) > 0 && !p.idle[0].since.Add(p.idleTimeout).After(now) {
		s := p.idle[0].poolSlot
		p.remove(s)
		out = append(out, PoolRelease{s.PoolSlot, fmt.Sprintf("the slot was idle for %v", p.idleTimeout)})
		p.trim()
	}
	return p.declare(out)
}

// trim drops completed requests and used slots from the heads of their queues.
func (p *Pool) trim() {
	if p.nWait == 0 {
		p.pending = nil
		clear(p.waiting)
	}
	for len(p.pending) > 0 && !p.pending[0].waits() {
		p.pending = p.pending[1:]
	}
	for len(p.idle) > 0 && !p.idle[0].still() {
		p.idle = p.idle[1:]
	}
}

// NextTick is when Tick has something to do if nothing happens before; ok is false if never.
func (p *Pool) NextTick() (at time.Time, ok bool) {
	p.trim()
	if len(p.pending) > 0 {
		at, ok = p.pending[0].deadline, true
	}
	if len(p.idle) > 0 {
		if t := p.idle[0].since.Add(p.idleTimeout); !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	return at, ok
}

// ReleaseAll ends all requests and gives every slot back: the job has ended.
func (p *Pool) ReleaseAll(cause string) []PoolEffect {
	var out []PoolEffect
	for _, r := range p.requests {
		if r.slot == nil {
			p.end(r)
		}
	}
	for _, tm := range slices.Sorted(maps.Keys(p.byTM)) {
		for _, s := range p.slotsOf(tm) {
			if s.request != nil {
				p.end(s.request)
			}
			p.remove(s)
			out = append(out, PoolRelease{s.PoolSlot, cause})
		}
	}
	p.pending, p.idle = nil, nil
	return p.declare(out)
}

// declare appends a PoolDeclare if what is required has changed.
func (p *Pool) declare(out []PoolEffect) []PoolEffect {
	required := p.Required()
	if slices.Equal(required, p.declared) {
		return out
	}
	p.declared = required
	return append(out, PoolDeclare{required})
}

// Required is what the job needs now, pending and assigned.
func (p *Pool) Required() []Requirement {
	required := make([]Requirement, 0, len(p.required))
	for profile, n := range p.required {
		required = append(required, Requirement{profile, n})
	}
	slices.SortFunc(required, func(a, b Requirement) int {
		return cmp.Or(cmp.Compare(a.Profile.CPUMilli, b.Profile.CPUMilli), cmp.Compare(a.Profile.MemoryBytes, b.Profile.MemoryBytes))
	})
	return required
}

// PoolCounts are the numbers of a Pool.
type PoolCounts struct{ Needed, Pending, Free, Slots int }

// Counts tells how many slots are needed, how many of those are missing, and how many slots there are and are free.
func (p *Pool) Counts() PoolCounts {
	return PoolCounts{Needed: len(p.requests), Pending: p.nWait, Free: p.nFree, Slots: len(p.slots)}
}

// SlotsOn tells how many slots of a TaskManager the pool has.
func (p *Pool) SlotsOn(tm core.ResourceID) int { return len(p.byTM[tm]) }

// SetCluster tells the pool what there is in the cluster, for Waiting and the text of NoResource.
func (p *Pool) SetCluster(c PoolCluster) { p.cluster = c }

// Waiting says which slots the job waits for (P-6), "" if for none.
func (p *Pool) Waiting() string {
	if p.nWait == 0 {
		return ""
	}
	n := p.Counts()
	return fmt.Sprintf("slots: needs %d, has %d%s", n.Needed, n.Needed-n.Pending, p.cluster)
}

// String is what follows after what a job has.
func (c PoolCluster) String() string {
	switch {
	case c.Known:
		return fmt.Sprintf(", the cluster has %d (%d free) on %d TaskManagers", c.Total, c.Free, c.TaskManagers)
	case c.Reached:
		return ""
	default:
		return ", the ResourceManager is not reached"
	}
}

func (p *Pool) noResource() error {
	return core.E("allocate slots", core.NoResource, "",
		fmt.Errorf("not there within %v (slot.request.timeout): %s; start more TaskManagers, raise taskmanager.numberOfTaskSlots or lower the parallelism",
			p.requestTimeout, p.Waiting()))
}
