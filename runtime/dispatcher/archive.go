package dispatcher

import (
	"container/list"
	"encoding/json"
	"time"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// archived is an ended job. Its picture is kept encoded: it is smaller so, and no one can change it.
type archived struct {
	digest  digest
	summary scheduler.JobSummary
	result  *pb.RequestJobResultResponse
	job     []byte // JSON of scheduler.ArchivedJob
	program core.BlobKey
	expires time.Time
}

// archive keeps ended jobs, oldest first, bounded in number, bytes and age. It is a plain value: the Dispatcher's
// main goroutine owns it, and time comes in as an argument.
type archive struct {
	expiration time.Duration // 0: no limit
	capacity   int
	maxBytes   int64

	order *list.List // of *archived
	byID  map[core.JobID]*list.Element
	bytes int64
}

func newArchive(expiration time.Duration, capacity int, maxBytes int64) archive {
	return archive{expiration: expiration, capacity: capacity, maxBytes: maxBytes, order: list.New(), byID: map[core.JobID]*list.Element{}}
}

// put keeps a job, and drops and returns older ones that are over the bounds; the newest always stays.
func (a *archive) put(j *archived, now time.Time) (dropped []*archived) {
	if a.expiration > 0 {
		j.expires = now.Add(a.expiration)
	}
	a.byID[j.summary.ID] = a.order.PushBack(j)
	a.bytes += int64(len(j.job))
	for a.order.Len() > 1 && (a.order.Len() > a.capacity || a.bytes > a.maxBytes) {
		dropped = append(dropped, a.drop(a.order.Front()))
	}
	return dropped
}

func (a *archive) drop(e *list.Element) *archived {
	j := a.order.Remove(e).(*archived)
	delete(a.byID, j.summary.ID)
	a.bytes -= int64(len(j.job))
	return j
}

func (a *archive) get(id core.JobID) *archived {
	if e := a.byID[id]; e != nil {
		return e.Value.(*archived)
	}
	return nil
}

// expire drops and returns what is too old.
func (a *archive) expire(now time.Time) (dropped []*archived) {
	for next, ok := a.nextExpiry(); ok && !next.After(now); next, ok = a.nextExpiry() {
		dropped = append(dropped, a.drop(a.order.Front()))
	}
	return dropped
}

// nextExpiry is when to call expire; ok is false when there is nothing to wait for.
func (a *archive) nextExpiry() (at time.Time, ok bool) {
	if a.expiration <= 0 || a.order.Len() == 0 {
		return time.Time{}, false
	}
	return a.order.Front().Value.(*archived).expires, true
}

// all returns the ended jobs, oldest first.
func (a *archive) all() []*archived {
	all := make([]*archived, 0, a.order.Len())
	for e := a.order.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*archived))
	}
	return all
}

// counts returns how many of the kept jobs ended how.
func (a *archive) counts() (finished, canceled, failed int) {
	for e := a.order.Front(); e != nil; e = e.Next() {
		switch e.Value.(*archived).summary.Status { //nolint:exhaustive // an ended job has one of three
		case core.JobFinished:
			finished++
		case core.JobCanceled:
			canceled++
		case core.JobFailed:
			failed++
		}
	}
	return finished, canceled, failed
}

// newArchived encodes the final picture of a job.
func newArchived(dg digest, final *scheduler.ArchivedJob) (*archived, error) {
	raw, err := json.Marshal(final)
	if err != nil {
		return nil, core.E("archive job", core.Internal, final.ID.String(), err)
	}
	return &archived{digest: dg, summary: final.Summary(), result: resultOf(final), job: raw}, nil
}

// resultOf is what a client that waited for the job gets.
func resultOf(final *scheduler.ArchivedJob) *pb.RequestJobResultResponse {
	r := &pb.RequestJobResultResponse{
		Done:             true,
		Status:           final.Status.String(),
		NetRuntimeMillis: max(final.End-final.Start, 0),
	}
	for _, acc := range final.Accumulators {
		r.Accumulators = append(r.Accumulators, &pb.Accumulator{Name: acc.Name, Kind: acc.Kind, Value: acc.Value})
	}
	if f := final.Failure; f != nil && final.Status == core.JobFailed {
		r.Failure = &pb.ErrorInfo{Message: f.Message, Stack: f.Stack, Kind: f.Kind, Type: f.Type}
	}
	return r
}
