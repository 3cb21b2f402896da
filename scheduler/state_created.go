package scheduler

import "github.com/flink-go/flink-go/core"

// created is a job before its start.
type created struct{ x *ExecutionGraph }

func (created) status() core.JobStatus { return core.JobCreated }
func (created) schedules() bool        { return false }
func (created) settle()                {}

// start moves to RUNNING: the job runs as soon as it waits for slots, as in Flink.
func (s created) start() {
	s.x.enter(running{s.x}, nil)
	regions := make([]*region, len(s.x.regions))
	for i := range s.x.regions {
		regions[i] = &s.x.regions[i]
	}
	s.x.schedule(regions)
}

func (s created) cancel() { s.x.toCancelling() }

func (s created) failed(failures []failed) { s.x.toFailing(failures) }
