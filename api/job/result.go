package job

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
)

// Result is what a job leaves behind when it ends (S-175).
type Result struct {
	JobID        core.JobID
	Status       core.JobStatus // FINISHED; a job that ends otherwise is an error
	Runtime      time.Duration  // from its start to its end, restarts included
	Accumulators Accumulators   // merged over all subtasks; empty for a detached submission
	Detached     bool           // the job was submitted and not waited for
}

// Accumulators are the accumulators of a job, sorted by name.
type Accumulators []core.Accumulator

// Lookup returns the accumulator of this name.
func (a Accumulators) Lookup(name string) (core.Accumulator, bool) {
	for _, acc := range a {
		if acc.Name == name {
			return acc, true
		}
	}
	return core.Accumulator{}, false
}

// Int64 returns the value of a counter, sum, minimum or maximum of whole numbers. An accumulator that no subtask
// registered is an error of kind NotFound.
func (a Accumulators) Int64(name string) (int64, error) { return Value[int64](a, name) }

// Float64 returns the value of a numeric accumulator.
func (a Accumulators) Float64(name string) (float64, error) { return Value[float64](a, name) }

// Value decodes the value of an accumulator into T, which its JSON form must fit: a map for a histogram, a slice
// for a list.
func Value[T any](a Accumulators, name string) (T, error) {
	var v T
	acc, ok := a.Lookup(name)
	if !ok {
		return v, core.E("read accumulator", core.NotFound, name, fmt.Errorf("the job has no accumulator %q", name))
	}
	if err := json.Unmarshal([]byte(acc.Value), &v); err != nil {
		return v, core.E("read accumulator", core.Invalid, name, fmt.Errorf("its kind is %s and its value %s: %w", acc.Kind, acc.Value, err))
	}
	return v, nil
}
