package stream

import (
	"math"
	"time"

	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// alignmentInterval is the least time between two reports of a subtask: what a group may run ahead beyond its drift.
const alignmentInterval = 100 * time.Millisecond

// alignment is the part of one subtask of a source in its group: it tells the JobMaster how far it has come, and learns
// how far the last of the group has come.
type alignment struct {
	group string
	drift int64
	clock *eventClock
	send  func(*pb.SourceEvent)

	// What was told last, and when; zero: nothing yet.
	watermark int64
	idle      bool
	toldAt    time.Time
}

// report tells the JobMaster what has changed, if it is time, and returns when it wants to be called again, zero: when
// something has changed. It does nothing on nil.
func (a *alignment) report(now time.Time) (next time.Time) {
	if a == nil {
		return time.Time{}
	}
	watermark, counts := a.clock.least()
	// Without a split there is nothing that others could wait for.
	idle := !counts || a.clock.splits[0] == a.clock.none
	first := a.toldAt.IsZero()
	switch {
	case !first && idle == a.idle && (idle || watermark == a.watermark):
		return time.Time{}
	case !first && idle == a.idle && now.Before(a.toldAt.Add(alignmentInterval)):
		return a.toldAt.Add(alignmentInterval)
	}
	a.toldAt = now
	a.tell(watermark, idle, false)
	return time.Time{}
}

func (a *alignment) tell(watermark int64, idle, ended bool) {
	a.watermark, a.idle = watermark, idle
	a.send(&pb.SourceEvent{Event: &pb.SourceEvent_WatermarkReport{WatermarkReport: &pb.WatermarkReport{
		Group: a.group, Watermark: watermark, Idle: idle, Ended: ended,
	}}})
}

// end says that the subtask has nothing more to read. It does nothing on nil.
func (a *alignment) end() {
	if a != nil {
		a.tell(0, true, true)
	}
}

// hear takes the watermark of the group.
func (a *alignment) hear(watermark int64) {
	if watermark > math.MaxInt64-a.drift {
		a.clock.limit = operator.MaxWatermark
		return
	}
	a.clock.limit = watermark + a.drift
}
