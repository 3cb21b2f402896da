package scheduler

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/slots"
)

// TestScripts runs testdata/jobs/*.txt. A script tells a job's story: `job` makes it, events follow, and the answer to
// each is what is to be done. Time stands still but for `tick`.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/jobs", func(t *testing.T, path string) {
		s := &script{now: time.UnixMilli(1_000_000)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.run(t, d)
		})
	})
}

type script struct {
	x     *ExecutionGraph
	job   *graph.JobGraph
	now   time.Time
	alloc byte
	names map[core.VertexID]string
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "job":
		return s.makeJob(t, d)
	case "start":
		return s.show(s.x.Start(s.now))
	case "cancel":
		return s.show(s.x.Cancel(s.now))
	case "tick":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.now = s.now.Add(by)
		return s.show(s.x.Tick(s.now))
	case "offer": // offer tm=a slots=(0,1)
		var tm string
		d.ScanArgs(t, "tm", &tm)
		var assigned []Assigned
		for _, id := range s.slotIDs(t, d) {
			s.alloc++
			assigned = append(assigned, Assigned{ID: id, Host: tm + ":1", Slot: slots.PoolSlot{
				Alloc: core.AllocationID{s.alloc}, Slot: core.SlotID{Resource: core.ResourceID(tm), Number: id}, DataAddress: "data-" + tm,
			}})
		}
		return s.show(s.x.SlotsAssigned(s.now, assigned))
	case "lose": // lose slots=(0,1) cause=text
		return s.show(s.x.SlotsLost(s.now, s.slotIDs(t, d), s.cause(t, d, "unavailable")))
	case "noslots":
		return s.show(s.x.SlotsFailed(s.now, s.slotIDs(t, d), s.cause(t, d, "no resource")))
	case "fail-job":
		return s.show(s.x.Fail(s.now, s.cause(t, d, "internal")))
	case "deployed", "deploy-failed": // deploy-failed tm=a, then attempts
		var tm string
		d.ScanArgs(t, "tm", &tm)
		dep := Deployment{Resource: core.ResourceID(tm)}
		for line := range strings.Lines(d.Input) {
			id := s.attempt(t, d, strings.TrimSpace(line))
			dep.Tasks = append(dep.Tasks, TaskDeployment{Vertex: s.x.byVertex[id.Vertex], Subtask: id.Subtask, Attempt: id.Attempt})
		}
		if d.Cmd == "deployed" {
			s.x.Deployed(dep)
			return ""
		}
		return s.show(s.x.DeployFailed(s.now, dep, s.cause(t, d, "unavailable")))
	case "states", "heartbeat": // tm=a, then lines: source/0#0 RUNNING [kind=user-code] [in=n out=n] [acc=name:kind:value] [text]
		var tm string
		d.ScanArgs(t, "tm", &tm)
		var updates []TaskUpdate
		for line := range strings.Lines(d.Input) {
			updates = append(updates, s.updates(t, d, strings.TrimSpace(line))...)
		}
		if d.Cmd == "heartbeat" {
			return s.show(s.x.Report(s.now, core.ResourceID(tm), updates))
		}
		return s.show(s.x.TaskStates(s.now, core.ResourceID(tm), updates))
	case "state":
		return s.state()
	case "history":
		return s.history()
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
		return ""
	}
}

// makeJob reads lines: name p=2 [max=n] [group=g] [source] [strategy:upstream ...].
func (s *script) makeJob(t *testing.T, d *datadriven.TestData) string {
	job := &graph.JobGraph{Version: graph.FormatVersion, Name: "test", Hash: "hash"}
	cfg := Config{Graph: core.GraphID{1}, History: 3, Jitter: func() float64 { return 0.5 }}
	r := &job.Config.Restart
	for _, a := range d.CmdArgs {
		v := a.Vals[0]
		n, _ := strconv.Atoi(v)
		dur, _ := time.ParseDuration(v)
		switch a.Key {
		case "restart":
			r.Type = v
		case "attempts":
			r.Attempts = n
		case "delay":
			r.Delay = dur
		case "max-failures":
			r.MaxFailures = n
		case "interval":
			r.Interval = dur
		case "failover":
			job.Config.Failover = v
		default:
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
	}
	s.names = map[core.VertexID]string{}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		v := graph.JobVertex{ID: core.HashVertexID(f[0]), Name: f[0], Parallelism: 1, MaxParallelism: 128}
		s.names[v.ID] = f[0]
		for _, a := range f[1:] {
			key, val, _ := strings.Cut(a, "=")
			n, _ := strconv.Atoi(val)
			switch key {
			case "p":
				v.Parallelism = n
			case "max":
				v.MaxParallelism = n
			case "group":
				v.SlotSharingGroup = val
			case "source":
				v.Source = true
			default:
				strategy, up, ok := strings.Cut(a, ":")
				if !ok {
					d.Fatalf(t, "unknown %q", a)
				}
				v.Inputs = append(v.Inputs, graph.JobEdge{Source: core.HashVertexID(up), Strategy: graph.ShipStrategy(strings.ToUpper(strategy))})
			}
		}
		job.Vertices = append(job.Vertices, v)
	}
	cfg.Job = job
	x, err := New(cfg, s.now)
	if err != nil {
		return fmt.Sprintf("%s: %v", core.KindOf(err), err)
	}
	s.x, s.job, s.alloc = x, job, 0
	var b strings.Builder
	for i := range x.slots {
		fmt.Fprintf(&b, "slot %d:", i)
		for _, task := range x.slots[i].tasks {
			fmt.Fprintf(&b, " %s/%d", task.vertex.Name, task.subtask)
		}
		b.WriteString("\n")
	}
	for i := range x.regions {
		fmt.Fprintf(&b, "region %d:", i)
		for _, task := range x.regions[i].tasks {
			fmt.Fprintf(&b, " %s/%d", task.vertex.Name, task.subtask)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *script) slotIDs(t *testing.T, d *datadriven.TestData) []int {
	var ids []int
	for _, a := range d.CmdArgs {
		if a.Key != "slots" {
			continue
		}
		for _, v := range a.Vals {
			n, err := strconv.Atoi(v)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			ids = append(ids, n)
		}
	}
	return ids
}

func (s *script) cause(t *testing.T, d *datadriven.TestData, kind string) FailureInfo {
	text := d.Cmd
	if d.HasArg("cause") {
		d.ScanArgs(t, "cause", &text)
	}
	if d.HasArg("kind") {
		d.ScanArgs(t, "kind", &kind)
	}
	return FailureInfo{Message: text, Kind: strings.ReplaceAll(kind, "-", " "), Type: "test"}
}

// attempt reads name/subtask#attempt; without #attempt it is the current one.
func (s *script) attempt(t *testing.T, d *datadriven.TestData, text string) core.ExecutionAttemptID {
	text, attempt, explicit := strings.Cut(text, "#")
	name, subtask, _ := strings.Cut(text, "/")
	v, ok := s.x.byVertex[core.HashVertexID(name)]
	n, err := strconv.Atoi(subtask)
	if !ok || err != nil {
		d.Fatalf(t, "no subtask %q", text)
	}
	id := s.x.vertices[v].tasks[n].id(s.x.id)
	if explicit {
		id.Attempt, _ = strconv.Atoi(attempt)
	}
	return id
}

func (s *script) updates(t *testing.T, d *datadriven.TestData, line string) []TaskUpdate {
	f := strings.Fields(line)
	var ids []core.ExecutionAttemptID
	i := 0
	for ; i < len(f) && strings.Contains(f[i], "/"); i++ {
		ids = append(ids, s.attempt(t, d, f[i]))
	}
	u := TaskUpdate{Cause: FailureInfo{Kind: "user code", Type: "test"}}
	state, err := core.ParseExecutionState(f[i])
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	u.State = state
	for _, a := range f[i+1:] {
		key, val, _ := strings.Cut(a, "=")
		n, _ := strconv.ParseUint(val, 10, 64)
		switch key {
		case "in":
			u.IO.RecordsIn, u.HasIO = n, true
		case "out":
			u.IO.RecordsOut, u.HasIO = n, true
		case "kind":
			u.Cause.Kind = strings.ReplaceAll(val, "-", " ")
		case "acc":
			p := strings.SplitN(val, ":", 3)
			u.Accumulators = append(u.Accumulators, core.Accumulator{Name: p[0], Kind: p[1], Value: p[2]})
		default:
			u.Cause.Message = strings.TrimSpace(u.Cause.Message + " " + a)
		}
	}
	out := make([]TaskUpdate, len(ids))
	for i := range ids {
		out[i] = u
		out[i].Attempt = ids[i]
	}
	return out
}

func (s *script) at(t time.Time) string { return "+" + t.Sub(s.now).String() }

func (s *script) show(effects []Effect) string {
	var b strings.Builder
	for _, e := range effects {
		switch e := e.(type) {
		case RequestSlots:
			b.WriteString("request")
			for _, r := range e.Requests {
				fmt.Fprintf(&b, " %d", r.ID)
				if r.PreferOn != "" {
					fmt.Fprintf(&b, "(like %d on %s)", r.Prefer[0], r.PreferOn)
				}
			}
			b.WriteString("\n")
		case ReturnSlots:
			fmt.Fprintf(&b, "return %v\n", e.Slots)
		case Deploy:
			for _, tm := range e.TaskManagers {
				fmt.Fprintf(&b, "deploy on %s:", tm.Resource)
				for _, td := range tm.Tasks {
					fmt.Fprintf(&b, " %s/%d#%d", s.job.Vertices[td.Vertex].Name, td.Subtask, td.Attempt)
				}
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "  workers %v\n", e.Workers)
			for i, l := range e.Locations {
				if l.Worker != nil {
					fmt.Fprintf(&b, "  %s at %v\n", s.job.Vertices[i].Name, l.Worker)
				}
			}
		case CancelTasks:
			fmt.Fprintf(&b, "cancel on %s:", e.Resource)
			for _, a := range e.Attempts {
				fmt.Fprintf(&b, " %s/%d#%d", s.names[a.Vertex], a.Subtask, a.Attempt)
			}
			b.WriteString("\n")
		case RestartAt:
			fmt.Fprintf(&b, "restart at %s\n", s.at(e.At))
		case SubtasksReset:
			fmt.Fprintf(&b, "reset source %s %v\n", s.names[e.Vertex], e.Subtasks)
		case FailureRecorded:
			fmt.Fprintf(&b, "failure %q %s, %d subtasks restart\n", e.Entry.Message, e.Entry.Task, e.Tasks)
		case StatusChanged:
			fmt.Fprintf(&b, "status %s -> %s", e.From, e.To)
			if e.Cause != nil {
				fmt.Fprintf(&b, " (%s)", e.Cause.Message)
			}
			b.WriteString("\n")
		}
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

func (s *script) state() string {
	a := s.x.Archive(s.now, "")
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d restarts", a.Status, a.Restarts)
	if a.Waiting != "" {
		fmt.Fprintf(&b, ", waits for %s", a.Waiting)
	}
	b.WriteString("\n")
	for i, v := range a.Vertices {
		fmt.Fprintf(&b, "%s:", s.job.Vertices[i].Name)
		for _, sub := range v.Subtasks {
			fmt.Fprintf(&b, " %s#%d", sub.Current.State, sub.Current.Attempt)
			if sub.Current.Resource != "" {
				fmt.Fprintf(&b, "@%s", sub.Current.Resource)
			}
			if len(sub.Prior) > 0 {
				fmt.Fprintf(&b, "(%d before)", len(sub.Prior))
			}
		}
		b.WriteString("\n")
	}
	for _, acc := range a.Accumulators {
		fmt.Fprintf(&b, "accumulator %s %s = %s\n", acc.Name, acc.Kind, acc.Value)
	}
	return b.String()
}

func (s *script) history() string {
	a := s.x.Archive(s.now, "")
	var b strings.Builder
	for _, e := range a.Exceptions {
		fmt.Fprintf(&b, "%q %s %s\n", e.Message, e.Task, e.Host)
		for _, c := range e.Concurrent {
			fmt.Fprintf(&b, "  with %q %s\n", c.Message, c.Task)
		}
	}
	if a.Truncated {
		b.WriteString("older ones were dropped\n")
	}
	return b.String()
}
