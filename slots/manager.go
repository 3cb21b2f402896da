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

// Rule is how a Manager picks one of several free slots that serve a requirement (S-107).
type Rule uint8

// The rules.
const (
	Spread Rule = iota // on the TaskManager whose share of free slots is largest
	Pack               // on the TaskManager whose share of free slots is smallest
)

// ManagerConfig adjusts a Manager. Zero fields mean what their comments say.
type ManagerConfig struct {
	Rule Rule
	// WorkerSlots and WorkerProfile are what a TaskManager brings that the driver starts; 0: the driver starts none.
	WorkerSlots   int
	WorkerProfile core.ResourceProfile
	WorkerPrefix  string // of the resource ids of workers that it starts; unique to this Manager

	MinSlots  int // slotmanager.number-of-slots.min: registered even when nobody needs them
	MaxSlots  int // slotmanager.number-of-slots.max: no worker is started beyond; 0: no limit
	Redundant int // slotmanager.redundant-taskmanager-num: so many workers' slots are kept free

	TaskManagerTimeout  time.Duration // resourcemanager.taskmanager-timeout, 30 s: idle workers end after it
	RegistrationTimeout time.Duration // resourcemanager.taskmanager-registration.timeout, 5 min: for started workers
	RetryInterval       time.Duration // 1 s: before a failed slot request or a failed start is repeated
	StartUp             time.Duration // resourcemanager.standalone.start-up-time: nobody is told NotEnough before
	Start               time.Time     // when it was made

	NewAllocation func() core.AllocationID // core.NewAllocationID
}

// maxSlotRequests bounds how often one slot request is repeated before the slot is left alone until its next report.
const maxSlotRequests = 3

// maxBackoffShift bounds the pause after failed starts of workers, which doubles: 64 times RetryInterval. After
// hopelessStarts in a row nobody is told any more that slots are on their way.
const (
	maxBackoffShift = 6
	hopelessStarts  = 3
)

// SlotReport is what a TaskManager says about one of its slots. A zero Alloc means that it is free.
type SlotReport struct {
	Number  int
	Profile core.ResourceProfile
	Job     core.JobID
	Alloc   core.AllocationID
}

// Manager is the SlotManager of a ResourceManager (S-104 to S-108): the slots of all TaskManagers, what jobs require,
// and the slot requests that bring both together.
//
// Reality is at the TaskManagers (L-7). What the Manager believes of a slot is the last report, plus what it did
// since; every message may be late, repeated or missing, and a slot request is repeated under the same AllocationID
// until it is answered, so that it is never given twice.
//
// It is a plain value without clock or lock: one goroutine calls it, time comes in as an argument, effects go out and
// must be carried out in order. Methods that can have effects return them.
type Manager struct {
	cfg     ManagerConfig
	tms     map[core.ResourceID]*managerTM
	jobs    map[core.JobID]*managerJob
	pending map[core.ResourceID]time.Time // workers that were started and have not registered; until when they may
	seq     int                           // of the last TaskManager or job: fixes the order of decisions
	workers int                           // ever started: numbers their ids
	holdOff time.Time                     // no worker is started before: starting them failed
	failed  int                           // workers in a row that did not register
}

// ManagerEffect is what the owner of a Manager must do: one of RequestSlot, StartWorkers, ReleaseWorker, NotEnough.
type ManagerEffect interface{ managerEffect() }

// RequestSlot asks a TaskManager to give a slot to a job. The owner answers with Requested.
type RequestSlot struct {
	Slot    core.SlotID
	Job     core.JobID
	Alloc   core.AllocationID
	Profile core.ResourceProfile
}

// StartWorkers asks the driver for TaskManagers, which will register under these ids.
type StartWorkers struct{ IDs []core.ResourceID }

// ReleaseWorker tells the driver to end a TaskManager.
type ReleaseWorker struct {
	ID    core.ResourceID
	Cause string
}

// NotEnough says that a job needs more slots than there are, and that none are on their way.
type NotEnough struct {
	Job          core.JobID
	Needed, Have int
}

func (RequestSlot) managerEffect()   {}
func (StartWorkers) managerEffect()  {}
func (ReleaseWorker) managerEffect() {}
func (NotEnough) managerEffect()     {}

type managerTM struct {
	id        core.ResourceID
	instance  core.InstanceID
	seq       int
	managed   bool // the driver started it, so the driver can end it
	reported  bool
	slots     []*managerSlot // by number
	free      int            // of slots
	idleSince time.Time      // all slots are free since then; zero: they are not
}

type slotState uint8

const (
	slotFree      slotState = iota
	slotRequested           // given by us; the TaskManager has not said yes
	slotAllocated
	slotUnclear // our request was not answered: not used until a report tells, or retryAt
)

func (s slotState) String() string {
	return [...]string{"free", "requested", "allocated", "unclear"}[s]
}

type managerSlot struct {
	number   int
	profile  core.ResourceProfile
	state    slotState
	job      core.JobID
	alloc    core.AllocationID
	changed  time.Time // last change that was not a report: older reports do not know of it
	attempts int       // of the request
	inFlight bool      // a request was sent and Requested has not been called for it
	retryAt  time.Time // of a request that failed, or an unclear slot
}

type managerJob struct {
	id       core.JobID
	seq      int
	required []Requirement // largest first
	missing  int           // slots that it lacks, requested ones not counted
	needed   int           // slots that it requires
	told     bool          // NotEnough was said since the last change for the better
}

// NewManager makes a Manager without slots.
func NewManager(cfg ManagerConfig) *Manager {
	cfg.TaskManagerTimeout = cmp.Or(cfg.TaskManagerTimeout, 30*time.Second)
	cfg.RegistrationTimeout = cmp.Or(cfg.RegistrationTimeout, 5*time.Minute)
	cfg.RetryInterval = cmp.Or(cfg.RetryInterval, time.Second)
	if cfg.NewAllocation == nil {
		cfg.NewAllocation = core.NewAllocationID
	}
	return &Manager{
		cfg:     cfg,
		tms:     make(map[core.ResourceID]*managerTM),
		jobs:    make(map[core.JobID]*managerJob),
		pending: make(map[core.ResourceID]time.Time),
	}
}

// Register adds a TaskManager, or replaces an earlier registration of the same id. Its slots are used when the first
// report has told what they are.
func (m *Manager) Register(now time.Time, id core.ResourceID, instance core.InstanceID) []ManagerEffect {
	managed := false
	if _, ours := m.pending[id]; ours {
		managed = true
		delete(m.pending, id)
		m.failed = 0
	}
	if old := m.tms[id]; old != nil {
		managed = managed || old.managed
	}
	m.seq++
	m.tms[id] = &managerTM{id: id, instance: instance, seq: m.seq, managed: managed}
	return nil
}

// Deregister removes a TaskManager that is lost or has ended, or a worker that ended before it registered.
func (m *Manager) Deregister(now time.Time, id core.ResourceID) []ManagerEffect {
	if _, waited := m.pending[id]; waited {
		m.startFailed(now, id)
	} else if m.tms[id] == nil {
		return nil
	}
	delete(m.tms, id)
	return m.match(now)
}

// startFailed notes that a started worker will not register. One that ends at once must not be started in a loop.
func (m *Manager) startFailed(now time.Time, id core.ResourceID) {
	delete(m.pending, id)
	m.holdOff = now.Add(m.cfg.RetryInterval << min(m.failed, maxBackoffShift))
	m.failed++
}

// Report takes what a TaskManager says about its slots. asOf is a time not later than the one of which the report
// speaks; what the Manager did after it is not in the report and stands.
func (m *Manager) Report(now time.Time, id core.ResourceID, instance core.InstanceID, asOf time.Time, report []SlotReport) []ManagerEffect {
	tm := m.tms[id]
	if tm == nil || tm.instance != instance {
		return nil // of an earlier registration
	}
	tm.reported = true
	known := make(map[int]*managerSlot, len(tm.slots))
	for _, s := range tm.slots {
		known[s.number] = s
	}
	tm.slots = tm.slots[:0]
	for _, r := range report {
		s := known[r.Number]
		if s == nil {
			s = &managerSlot{number: r.Number}
		}
		delete(known, r.Number)
		s.profile = r.Profile
		s.learn(r, asOf)
		tm.slots = append(tm.slots, s)
	}
	slices.SortFunc(tm.slots, func(a, b *managerSlot) int { return cmp.Compare(a.number, b.number) })
	tm.count(now)
	return m.match(now)
}

// learn brings a slot in line with a report.
func (s *managerSlot) learn(r SlotReport, asOf time.Time) {
	free := r.Alloc == (core.AllocationID{})
	switch {
	case !free && s.alloc == r.Alloc:
		s.set(slotAllocated, r.Job, r.Alloc)
	case s.changed.After(asOf) || free && s.inFlight:
		// the report is older than what is believed, or was written before our request arrived
	case !free:
		s.set(slotAllocated, r.Job, r.Alloc)
	case s.state == slotRequested:
		// not arrived there: it will be repeated
	default:
		s.set(slotFree, core.JobID{}, core.AllocationID{})
	}
}

func (s *managerSlot) set(state slotState, job core.JobID, alloc core.AllocationID) {
	s.state, s.job, s.alloc, s.attempts, s.retryAt, s.inFlight = state, job, alloc, 0, time.Time{}, false
}

// count brings the sums of a TaskManager up to date.
func (tm *managerTM) count(now time.Time) {
	tm.free = 0
	for _, s := range tm.slots {
		if s.state == slotFree {
			tm.free++
		}
	}
	switch {
	case !tm.reported || tm.free < len(tm.slots):
		tm.idleSince = time.Time{}
	case tm.idleSince.IsZero():
		tm.idleSince = now
	}
}

// SlotAvailable says that an allocation has ended and its slot is free again (S-103).
func (m *Manager) SlotAvailable(now time.Time, slot core.SlotID, instance core.InstanceID, alloc core.AllocationID) []ManagerEffect {
	tm, s := m.find(slot)
	if s == nil || tm.instance != instance || s.alloc != alloc {
		return nil // late: the slot was given on meanwhile
	}
	s.set(slotFree, core.JobID{}, core.AllocationID{})
	s.changed = now
	tm.count(now)
	return m.match(now)
}

func (m *Manager) find(slot core.SlotID) (*managerTM, *managerSlot) {
	tm := m.tms[slot.Resource]
	if tm == nil {
		return nil, nil
	}
	i, ok := slices.BinarySearchFunc(tm.slots, slot.Number, func(s *managerSlot, n int) int { return cmp.Compare(s.number, n) })
	if !ok {
		return tm, nil
	}
	return tm, tm.slots[i]
}

// Requested tells the outcome of a RequestSlot. An error of kind Unavailable leaves open whether the TaskManager got
// the request, so it is repeated under the same allocation; any other is a refusal.
func (m *Manager) Requested(now time.Time, slot core.SlotID, alloc core.AllocationID, err error) []ManagerEffect {
	tm, s := m.find(slot)
	if s == nil || s.alloc != alloc || s.state != slotRequested {
		return nil // late: a report was faster, or the TaskManager is new
	}
	s.inFlight = false
	s.changed = now
	switch {
	case err == nil:
		s.set(slotAllocated, s.job, s.alloc)
		return nil
	case core.KindOf(err) == core.Unavailable && s.attempts < maxSlotRequests:
		s.retryAt = now.Add(m.cfg.RetryInterval)
		return nil
	}
	// Somebody else has the slot, or its TaskManager does not answer: another slot must do, and this one waits for
	// its next report, or for some time.
	s.set(slotUnclear, core.JobID{}, core.AllocationID{})
	s.retryAt = now.Add(10 * m.cfg.RetryInterval)
	tm.count(now)
	return m.match(now)
}

// Require replaces what a job requires. A job that requires nothing is forgotten; the slots that it has stay its own
// until their TaskManagers say otherwise.
func (m *Manager) Require(now time.Time, job core.JobID, required []Requirement) []ManagerEffect {
	j := m.jobs[job]
	needed := 0
	for _, r := range required {
		needed += r.Count
	}
	if needed == 0 {
		delete(m.jobs, job)
		return m.match(now)
	}
	if j == nil {
		m.seq++
		j = &managerJob{id: job, seq: m.seq}
		m.jobs[job] = j
	}
	j.required = slices.Clone(required)
	slices.SortStableFunc(j.required, func(a, b Requirement) int {
		return cmp.Or(cmp.Compare(b.Profile.MemoryBytes, a.Profile.MemoryBytes), cmp.Compare(b.Profile.CPUMilli, a.Profile.CPUMilli))
	})
	j.told = j.told && needed >= j.needed
	j.needed = needed
	return m.match(now)
}

// Tick does what time brings: repeats requests, gives up workers that do not register, ends idle ones.
func (m *Manager) Tick(now time.Time) []ManagerEffect {
	var out []ManagerEffect
	for _, tm := range m.sorted() {
		for _, s := range tm.slots {
			if s.retryAt.IsZero() || now.Before(s.retryAt) {
				continue
			}
			if s.state == slotRequested && m.wanted(s) {
				out = append(out, m.request(now, tm, s))
				continue
			}
			s.set(slotFree, core.JobID{}, core.AllocationID{})
		}
		tm.count(now)
	}
	for _, id := range slices.Sorted(maps.Keys(m.pending)) {
		if !now.Before(m.pending[id]) {
			m.startFailed(now, id)
			out = append(out, ReleaseWorker{id, fmt.Sprintf("it did not register within %v", m.cfg.RegistrationTimeout)})
		}
	}
	out = append(out, m.match(now)...)
	return append(out, m.releaseIdle(now)...)
}

// wanted tells whether the job of a requested slot still requires as many slots as it has.
func (m *Manager) wanted(s *managerSlot) bool {
	j := m.jobs[s.job]
	if j == nil {
		return false
	}
	has := 0
	for _, tm := range m.tms {
		for _, o := range tm.slots {
			if o.job == s.job {
				has++
			}
		}
	}
	return has <= j.needed
}

func (m *Manager) request(now time.Time, tm *managerTM, s *managerSlot) RequestSlot {
	s.state, s.changed, s.inFlight, s.retryAt = slotRequested, now, true, time.Time{}
	s.attempts++
	return RequestSlot{core.SlotID{Resource: tm.id, Number: s.number}, s.job, s.alloc, s.profile}
}

// sorted lists the TaskManagers in the order of their registration.
func (m *Manager) sorted() []*managerTM {
	return slices.SortedFunc(maps.Values(m.tms), func(a, b *managerTM) int { return a.seq - b.seq })
}

// match gives free slots to jobs that lack some, oldest job first, and asks for workers where slots do not suffice.
func (m *Manager) match(now time.Time) []ManagerEffect {
	var out []ManagerEffect
	tms := m.sorted()
	owned := make(map[core.JobID][]core.ResourceProfile)
	for _, tm := range tms {
		for _, s := range tm.slots {
			if s.state == slotRequested || s.state == slotAllocated {
				owned[s.job] = append(owned[s.job], s.profile)
			}
		}
	}
	jobs := slices.SortedFunc(maps.Values(m.jobs), func(a, b *managerJob) int { return a.seq - b.seq })
	unmet := 0 // slots of a new worker's profile that jobs lack
	for _, j := range jobs {
		j.missing = 0
		for _, r := range unserved(j.required, owned[j.id]) {
			for range r.Count {
				tm, s := m.pick(tms, r.Profile)
				if s == nil {
					j.missing++
					if m.cfg.WorkerSlots > 0 && m.cfg.WorkerProfile.Matches(r.Profile) {
						unmet++
					}
					continue
				}
				s.set(slotRequested, j.id, m.cfg.NewAllocation())
				out = append(out, m.request(now, tm, s))
				tm.count(now)
			}
		}
	}
	out = append(out, m.startWorkers(now, tms, unmet)...)
	// What workers on their way will bring is not missing.
	coming := len(m.pending) * m.cfg.WorkerSlots
	switch {
	case m.failed >= hopelessStarts:
		coming = 0
	case unmet > 0 && now.Before(m.holdOff):
		coming = unmet // more will be started
	}
	for _, tm := range tms {
		if !tm.reported {
			coming++ // it has at least one
		}
	}
	for _, j := range jobs {
		short := j.missing - min(coming, j.missing)
		coming -= j.missing - short
		switch {
		case short == 0:
			j.told = false
		case !j.told && !now.Before(m.cfg.Start.Add(m.cfg.StartUp)):
			j.told = true
			out = append(out, NotEnough{j.id, j.needed, j.needed - j.missing})
		}
	}
	return out
}

// unserved is what of required is left when each owned slot serves the largest requirement that it can.
func unserved(required []Requirement, owned []core.ResourceProfile) []Requirement {
	left := slices.Clone(required)
	for _, p := range owned {
		for i := range left {
			if left[i].Count > 0 && p.Matches(left[i].Profile) {
				left[i].Count--
				break
			}
		}
	}
	return left
}

// pick finds the free slot that the rule prefers: nil when none serves want.
func (m *Manager) pick(tms []*managerTM, want core.ResourceProfile) (*managerTM, *managerSlot) {
	var best *managerTM
	var slot *managerSlot
	for _, tm := range tms {
		if tm.free == 0 || best != nil && !m.prefers(tm, best) {
			continue
		}
		i := slices.IndexFunc(tm.slots, func(s *managerSlot) bool { return s.state == slotFree && s.profile.Matches(want) })
		if i >= 0 {
			best, slot = tm, tm.slots[i]
		}
	}
	return best, slot
}

// prefers compares shares of free slots without dividing.
func (m *Manager) prefers(a, b *managerTM) bool {
	shareA, shareB := a.free*len(b.slots), b.free*len(a.slots)
	if m.cfg.Rule == Pack {
		return shareA < shareB
	}
	return shareA > shareB
}

// startWorkers asks for as many workers as the slots that jobs lack, the minimum and the redundancy make necessary.
func (m *Manager) startWorkers(now time.Time, tms []*managerTM, unmet int) []ManagerEffect {
	size := m.cfg.WorkerSlots
	if size == 0 || now.Before(m.holdOff) {
		return nil
	}
	total, free := len(m.pending)*size, len(m.pending)*size
	for _, tm := range tms {
		total += len(tm.slots)
		free += tm.free
	}
	workers := func(slots int) int { return max(0, (slots+size-1)/size) }
	n := max(workers(unmet+m.cfg.Redundant*size-free), workers(m.cfg.MinSlots-total))
	if m.cfg.MaxSlots > 0 {
		n = min(n, max(0, m.cfg.MaxSlots-total)/size)
	}
	if n == 0 {
		return nil
	}
	ids := make([]core.ResourceID, n)
	for i := range ids {
		m.workers++
		ids[i] = core.ResourceID(fmt.Sprintf("%s%d", m.cfg.WorkerPrefix, m.workers))
		m.pending[ids[i]] = now.Add(m.cfg.RegistrationTimeout)
	}
	return []ManagerEffect{StartWorkers{ids}}
}

// releaseIdle ends workers of which all slots are free for long.
func (m *Manager) releaseIdle(now time.Time) []ManagerEffect {
	var out []ManagerEffect
	for _, tm := range m.releasable(now) {
		delete(m.tms, tm.id)
		out = append(out, ReleaseWorker{tm.id, fmt.Sprintf("it was idle for %v", m.cfg.TaskManagerTimeout)})
	}
	return out
}

// releasable lists the workers that are idle for long, as far as minimum and redundancy allow.
func (m *Manager) releasable(now time.Time) []*managerTM {
	total, free := 0, 0
	for _, tm := range m.tms {
		total += len(tm.slots)
		free += tm.free
	}
	var out []*managerTM
	for _, tm := range m.sorted() {
		n := len(tm.slots)
		if m.idleFor(tm, now) && total-n >= m.cfg.MinSlots && free-n >= m.cfg.Redundant*m.cfg.WorkerSlots {
			total, free = total-n, free-n
			out = append(out, tm)
		}
	}
	return out
}

func (m *Manager) idleFor(tm *managerTM, now time.Time) bool {
	return tm.managed && !tm.idleSince.IsZero() && !now.Before(tm.idleSince.Add(m.cfg.TaskManagerTimeout))
}

// NextTick is when Tick has something to do if nothing happens before; ok is false if never.
func (m *Manager) NextTick(now time.Time) (at time.Time, ok bool) {
	due := func(t time.Time) {
		if !t.IsZero() && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	for _, tm := range m.tms {
		for _, s := range tm.slots {
			due(s.retryAt)
		}
		// One that was idle long enough goes now, or must stay for the minimum's sake.
		if tm.managed && !tm.idleSince.IsZero() && !m.idleFor(tm, now) {
			due(tm.idleSince.Add(m.cfg.TaskManagerTimeout))
		}
	}
	for _, tm := range m.releasable(now) {
		due(tm.idleSince.Add(m.cfg.TaskManagerTimeout))
	}
	for _, t := range m.pending {
		due(t)
	}
	if now.Before(m.holdOff) {
		due(m.holdOff)
	}
	if begin := m.cfg.Start.Add(m.cfg.StartUp); now.Before(begin) {
		due(begin)
	}
	return at, ok
}

// ManagerCounts are the numbers of a Manager.
type ManagerCounts struct{ TaskManagers, Slots, Free, PendingWorkers int }

// Counts tells how many TaskManagers are registered, and how many slots they have.
func (m *Manager) Counts() ManagerCounts {
	c := ManagerCounts{TaskManagers: len(m.tms), PendingWorkers: len(m.pending)}
	for _, tm := range m.tms {
		c.Slots += len(tm.slots)
		c.Free += tm.free
	}
	return c
}

// Missing tells how many slots a job requires, and how many of those are neither its own nor requested for it.
func (m *Manager) Missing(job core.JobID) (needed, missing int) {
	if j := m.jobs[job]; j != nil {
		return j.needed, j.missing
	}
	return 0, 0
}

// SlotsOf lists what is believed of the slots of a TaskManager, by number.
func (m *Manager) SlotsOf(id core.ResourceID) []SlotReport {
	tm := m.tms[id]
	if tm == nil {
		return nil
	}
	out := make([]SlotReport, len(tm.slots))
	for i, s := range tm.slots {
		out[i] = SlotReport{s.number, s.profile, s.job, s.alloc}
	}
	return out
}

// Instance tells the registration of a TaskManager.
func (m *Manager) Instance(id core.ResourceID) (core.InstanceID, error) {
	if tm := m.tms[id]; tm != nil {
		return tm.instance, nil
	}
	return core.InstanceID{}, core.E("find TaskManager", core.NotFound, string(id), errors.New("it is not registered"))
}
