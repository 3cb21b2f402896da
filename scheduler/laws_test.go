package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/slots"
)

// drawJob makes a random graph: every vertex but the sources reads from one or two before it.
func drawJob(t *rapid.T) *graph.JobGraph {
	job := &graph.JobGraph{Version: graph.FormatVersion, Name: "random", Hash: "hash"}
	strategies := []graph.ShipStrategy{graph.Forward, graph.Rescale, graph.Hash, graph.Rebalance, graph.Broadcast, graph.Global}
	for i := range rapid.IntRange(1, 5).Draw(t, "vertices") {
		name := fmt.Sprint("v", i)
		v := graph.JobVertex{
			ID: core.HashVertexID(name), Name: name, MaxParallelism: 128,
			Parallelism:      rapid.IntRange(1, 5).Draw(t, "parallelism"),
			SlotSharingGroup: rapid.SampledFrom([]string{"", "", "other"}).Draw(t, "group"),
		}
		for range min(i, rapid.IntRange(0, 2).Draw(t, "inputs")) {
			up := &job.Vertices[rapid.IntRange(0, i-1).Draw(t, "upstream")]
			s := rapid.SampledFrom(strategies).Draw(t, "strategy")
			if s == graph.Forward && up.Parallelism != v.Parallelism {
				s = graph.Rescale
			}
			v.Inputs = append(v.Inputs, graph.JobEdge{Source: up.ID, Strategy: s})
		}
		v.Source = len(v.Inputs) == 0
		job.Vertices = append(job.Vertices, v)
	}
	job.Config.Failover = rapid.SampledFrom([]string{"region", "region", "full"}).Draw(t, "failover")
	job.Config.Restart = graph.RestartStrategy{Type: "fixed-delay", Attempts: 1000, Delay: time.Second}
	return job
}

// TestRegionLaws: regions are exactly the connected components over all channels, here found the slow way.
func TestRegionLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		job := drawJob(t)
		first := make([]int, len(job.Vertices))
		total := 0
		for i := range job.Vertices {
			first[i] = total
			total += job.Vertices[i].Parallelism
		}
		of, n := regionsOf(job, first, total)

		// Every channel connects two subtasks: spread the lowest number until nothing changes.
		want := make([]int, total)
		for i := range want {
			want[i] = i
		}
		index := vertexIndex(job)
		for changed := true; changed; {
			changed = false
			for v := range job.Vertices {
				for _, e := range job.Vertices[v].Inputs {
					s := index[e.Source]
					up, down := job.Vertices[s].Parallelism, job.Vertices[v].Parallelism
					for i := range up {
						from, to := e.Strategy.Targets(i, up, down)
						for d := from; d < to; d++ {
							a, b := first[s]+i, first[v]+d
							if low := min(want[a], want[b]); want[a] != low || want[b] != low {
								want[a], want[b], changed = low, low, true
							}
						}
					}
				}
			}
		}
		seen := map[int]int{}
		for i := range total {
			if r, ok := seen[want[i]]; ok && r != of[i] {
				t.Fatalf("subtask %d is in region %d, want %d", i, of[i], r)
			} else if !ok {
				seen[want[i]] = of[i]
			}
		}
		if len(seen) != n {
			t.Fatalf("%d regions, want %d", n, len(seen))
		}
	})
}

// legal are the moves of a job that Flink's job states allow.
var legal = map[core.JobStatus][]core.JobStatus{
	core.JobCreated:    {core.JobRunning, core.JobCancelling, core.JobFailing},
	core.JobRunning:    {core.JobRestarting, core.JobFailing, core.JobCancelling, core.JobFinished},
	core.JobRestarting: {core.JobRunning, core.JobFailing, core.JobCancelling},
	core.JobFailing:    {core.JobFailed, core.JobCancelling},
	core.JobCancelling: {core.JobCanceled},
}

// model is the world around an ExecutionGraph: slots that may be lost, and attempts that really run somewhere.
type model struct {
	t       *rapid.T
	x       *ExecutionGraph
	now     time.Time
	status  core.JobStatus
	next    uint32
	pending map[int]bool                                  // requested slots
	held    map[int]slots.PoolSlot                        // slots given
	alive   map[core.ExecutionAttemptID]core.ResourceID   // attempts that run
	ever    map[core.ExecutionAttemptID]bool              // attempt ids that were used
	cancels map[core.ExecutionAttemptID]bool              // asked to end
	doubt   map[core.ExecutionAttemptID]core.AllocationID // slot of each attempt
	lastNow map[[2]any]core.ExecutionAttemptID            // newest attempt by vertex and subtask
}

func (m *model) apply(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case StatusChanged:
			if e.From != m.status || !slices.Contains(legal[e.From], e.To) {
				m.t.Fatalf("move %s -> %s, in %s", e.From, e.To, m.status)
			}
			m.status = e.To
			if m.status.Terminal() {
				if len(m.alive) != 0 {
					m.t.Fatalf("the job is %s, but %d attempts run", m.status, len(m.alive))
				}
				clear(m.pending)
				clear(m.held)
			}
		case RequestSlots:
			for _, r := range e.Requests {
				if _, held := m.held[r.ID]; held || m.pending[r.ID] {
					m.t.Fatalf("slot %d is requested though it is there or asked for", r.ID)
				}
				m.pending[r.ID] = true
			}
		case ReturnSlots:
			for _, id := range e.Slots {
				for a := range m.alive {
					if s, ok := m.held[id]; ok && m.doubt[a] == s.Alloc {
						m.t.Fatalf("slot %d is given back while %v runs in it", id, a)
					}
				}
				delete(m.held, id)
				delete(m.pending, id)
			}
		case Deploy:
			m.deploy(e)
		case CancelTasks:
			for _, a := range e.Attempts {
				m.cancels[a] = true
			}
		default:
		}
	}
}

func (m *model) deploy(d Deploy) {
	seen := map[core.ResourceID]bool{}
	for _, part := range d.TaskManagers {
		m.x.Deployed(part)
		if seen[part.Resource] {
			m.t.Fatalf("two calls to %s in one Deploy", part.Resource)
		}
		seen[part.Resource] = true
		for _, td := range part.Tasks {
			id := core.ExecutionAttemptID{Graph: m.x.id, Vertex: m.x.vertices[td.Vertex].ID, Subtask: td.Subtask, Attempt: td.Attempt}
			if m.ever[id] {
				m.t.Fatalf("attempt %v is used twice", id)
			}
			m.ever[id] = true
			// At most one attempt of a subtask can have an effect (P-3).
			key := [2]any{id.Vertex, id.Subtask}
			if old, ok := m.lastNow[key]; ok {
				if _, runs := m.alive[old]; runs {
					m.t.Fatalf("%v is deployed while %v runs", id, old)
				}
			}
			m.lastNow[key] = id
			slot := m.x.vertices[td.Vertex].tasks[td.Subtask].slot.id
			if s, ok := m.held[slot]; !ok || s.Alloc != td.Allocation || s.Slot.Resource != part.Resource {
				m.t.Fatalf("%v is deployed into a slot that is not there", id)
			}
			for other := range m.alive {
				if m.doubt[other] == td.Allocation && other.Vertex == id.Vertex {
					m.t.Fatalf("%v and %v share a slot", id, other)
				}
			}
			if w := d.Locations[td.Vertex].Worker[td.Subtask]; d.Workers[w] != string(part.Resource) {
				m.t.Fatalf("%v is said to be at %s", id, d.Workers[w])
			}
			m.alive[id], m.doubt[id] = part.Resource, td.Allocation
		}
	}
}

// some draws one of the attempts that run.
func (m *model) some(t *rapid.T) (core.ExecutionAttemptID, bool) {
	var all []core.ExecutionAttemptID
	for a := range m.alive {
		all = append(all, a)
	}
	if len(all) == 0 {
		return core.ExecutionAttemptID{}, false
	}
	slices.SortFunc(all, func(a, b core.ExecutionAttemptID) int {
		return m.x.byVertex[a.Vertex]*100 + a.Subtask - m.x.byVertex[b.Vertex]*100 - b.Subtask
	})
	return rapid.SampledFrom(all).Draw(t, "attempt"), true
}

// TestSchedulerLaws: whatever happens in whatever order, a subtask has at most one live attempt, a slot is used by one
// subtask of a vertex, states move as Flink's do, and at the end nothing runs.
func TestSchedulerLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(1_000_000)
		x, err := New(Config{Job: drawJob(t), Graph: core.GraphID{1}, History: 2}, now)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{
			t: t, x: x, now: now, status: core.JobCreated, pending: map[int]bool{}, held: map[int]slots.PoolSlot{},
			alive: map[core.ExecutionAttemptID]core.ResourceID{}, ever: map[core.ExecutionAttemptID]bool{},
			cancels: map[core.ExecutionAttemptID]bool{}, doubt: map[core.ExecutionAttemptID]core.AllocationID{},
			lastNow: map[[2]any]core.ExecutionAttemptID{},
		}
		offer := func(ids []int, tm core.ResourceID) {
			var assigned []Assigned
			for _, id := range ids {
				m.next++
				s := slots.PoolSlot{
					Alloc: core.AllocationID{byte(m.next), byte(m.next >> 8), byte(m.next >> 16)}, Slot: core.SlotID{Resource: tm, Number: id}, DataAddress: string(tm),
				}
				delete(m.pending, id)
				m.held[id] = s
				assigned = append(assigned, Assigned{ID: id, Slot: s})
			}
			m.apply(x.SlotsAssigned(m.now, assigned))
		}
		pending := func() []int {
			var ids []int
			for id := range m.pending {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			return ids
		}
		report := func(a core.ExecutionAttemptID, s core.ExecutionState) {
			tm := m.alive[a]
			if s.Terminal() {
				delete(m.alive, a)
			}
			m.apply(x.TaskStates(m.now, tm, []TaskUpdate{{Attempt: a, State: s, Cause: FailureInfo{Message: "boom", Kind: "user code"}}}))
		}
		tms := []core.ResourceID{"a", "b"}
		m.apply(x.Start(now))
		if rapid.Bool().Draw(t, "slots at once") {
			offer(pending(), "a")
		}
		t.Repeat(map[string]func(*rapid.T){
			"offer": func(t *rapid.T) {
				ids := pending()
				if len(ids) == 0 {
					t.Skip("none wanted")
				}
				offer(ids[:rapid.IntRange(1, len(ids)).Draw(t, "n")], rapid.SampledFrom(tms).Draw(t, "tm"))
			},
			"report": func(t *rapid.T) {
				if a, ok := m.some(t); ok {
					states := []core.ExecutionState{core.ExecutionInitializing, core.ExecutionRunning, core.ExecutionRunning, core.ExecutionFinished, core.ExecutionFinished, core.ExecutionFailed}
					report(a, rapid.SampledFrom(states).Draw(t, "state"))
				}
			},
			"obey": func(t *rapid.T) { // a cancel is carried out
				if a, ok := m.some(t); ok && m.cancels[a] {
					report(a, core.ExecutionCanceled)
				}
			},
			"late": func(t *rapid.T) { // reports of attempts that are over
				for a := range m.ever {
					if _, runs := m.alive[a]; !runs {
						m.apply(x.TaskStates(m.now, "a", []TaskUpdate{{Attempt: a, State: core.ExecutionFailed}}))
						m.apply(x.TaskStates(m.now, "b", []TaskUpdate{{Attempt: a, State: core.ExecutionRunning}}))
					}
				}
			},
			"lose": func(t *rapid.T) { // a TaskManager is gone
				tm := rapid.SampledFrom(tms).Draw(t, "tm")
				var ids []int
				for id, s := range m.held {
					if s.Slot.Resource == tm {
						ids = append(ids, id)
					}
				}
				slices.Sort(ids)
				for _, id := range ids {
					delete(m.held, id)
				}
				for a, on := range m.alive {
					if on == tm {
						delete(m.alive, a)
					}
				}
				m.apply(x.SlotsLost(m.now, ids, FailureInfo{Message: "gone", Kind: "unavailable"}))
			},
			"heartbeat": func(t *rapid.T) {
				tm := rapid.SampledFrom(tms).Draw(t, "tm")
				var all []TaskUpdate
				for a, on := range m.alive {
					if on == tm {
						all = append(all, TaskUpdate{Attempt: a, State: core.ExecutionRunning})
					}
				}
				m.apply(x.Report(m.now, tm, all))
			},
			"no slots": func(t *rapid.T) {
				ids := pending()
				if len(ids) == 0 {
					t.Skip("none wanted")
				}
				delete(m.pending, ids[0])
				m.apply(x.SlotsFailed(m.now, ids[:1], FailureInfo{Message: "none", Kind: "unavailable"}))
			},
			"fail": func(t *rapid.T) {
				if a, ok := m.some(t); ok {
					report(a, core.ExecutionFailed)
				}
			},
			"tick": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
				m.apply(x.Tick(m.now))
			},
			"cancel": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					m.apply(x.Cancel(m.now))
				}
			},
			"": func(t *rapid.T) {
				live, finished := 0, 0
				for i := range x.tasks {
					if x.tasks[i].now.deployed() {
						live++
						if _, runs := m.alive[x.tasks[i].id(x.id)]; !runs {
							t.Fatalf("%s counts as deployed and does not run", x.tasks[i].name())
						}
					}
					if x.tasks[i].now.state == core.ExecutionFinished {
						finished++
					}
				}
				if live != x.live || finished != x.finished || live != len(m.alive) {
					t.Fatalf("%d live (%d counted, %d really), %d finished (%d counted)", live, x.live, len(m.alive), finished, x.finished)
				}
				if len(x.history.entries) > 2 {
					t.Fatalf("%d failures are kept", len(x.history.entries))
				}
			},
		})
		// However it got there: given slots and obedient tasks, the job ends.
		for range 100 {
			if m.status.Terminal() {
				return
			}
			if ids := pending(); len(ids) > 0 {
				offer(ids, "a")
			}
			var all []core.ExecutionAttemptID
			for a := range m.alive {
				all = append(all, a)
			}
			for _, a := range all {
				if m.cancels[a] {
					report(a, core.ExecutionCanceled)
				} else {
					report(a, core.ExecutionFinished)
				}
			}
			m.now = m.now.Add(time.Minute)
			m.apply(x.Tick(m.now))
		}
		t.Fatalf("the job does not end: it is %s and waits for %q", m.status, x.waiting(m.now))
	})
}

// BenchmarkSchedule is the scale target: 5 vertices x 1000 subtasks, all-to-all, on 10 TaskManagers, from the JobGraph
// to RUNNING and FINISHED (cost must grow with vertices x parallelism, not with the 4 million channels).
func BenchmarkSchedule(b *testing.B) {
	for _, p := range []int{100, 1000} {
		b.Run(fmt.Sprint(p), func(b *testing.B) {
			job := &graph.JobGraph{Version: graph.FormatVersion, Name: "scale"}
			for i := range 5 {
				v := graph.JobVertex{ID: core.HashVertexID(fmt.Sprint(i)), Name: fmt.Sprint(i), Parallelism: p, MaxParallelism: 2048}
				if i > 0 {
					v.Inputs = []graph.JobEdge{{Source: job.Vertices[i-1].ID, Strategy: graph.Hash}}
				}
				job.Vertices = append(job.Vertices, v)
			}
			now := time.UnixMilli(1)
			b.ReportAllocs()
			for b.Loop() {
				x, err := New(Config{Job: job, History: 1}, now)
				if err != nil {
					b.Fatal(err)
				}
				assigned := make([]Assigned, p)
				for _, e := range x.Start(now) {
					if r, ok := e.(RequestSlots); ok {
						for i, q := range r.Requests {
							tm := core.ResourceID(fmt.Sprint("tm", i*10/p))
							assigned[i] = Assigned{ID: q.ID, Slot: slots.PoolSlot{Alloc: core.AllocationID{byte(i), byte(i >> 8)}, Slot: core.SlotID{Resource: tm, Number: i}, DataAddress: string(tm)}}
						}
					}
				}
				for _, e := range x.SlotsAssigned(now, assigned) {
					d, ok := e.(Deploy)
					if !ok {
						continue
					}
					for _, state := range []core.ExecutionState{core.ExecutionInitializing, core.ExecutionRunning, core.ExecutionFinished} {
						for _, part := range d.TaskManagers {
							updates := make([]TaskUpdate, len(part.Tasks))
							for i, td := range part.Tasks {
								updates[i] = TaskUpdate{State: state, Attempt: core.ExecutionAttemptID{Vertex: job.Vertices[td.Vertex].ID, Subtask: td.Subtask}}
							}
							x.TaskStates(now, part.Resource, updates)
						}
					}
				}
				if x.Status() != core.JobFinished {
					b.Fatal(x.Status())
				}
			}
		})
	}
}
