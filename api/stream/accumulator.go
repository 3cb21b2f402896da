package stream

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/flink-go/flink-go/graph/operator"
)

// Accumulators collect a value in each subtask; values of one name and kind are merged over all subtasks and
// returned with the job's result. A subtask's own value is read and written on its task's goroutine; an empty one
// leaves the merged value as it is. Functions of one task that ask for the same name share the accumulator.

// IntCounter counts; the job's value is the sum.
type IntCounter struct{ n int64 }

// Add adds n.
func (a *IntCounter) Add(n int) { a.n += int64(n) }

// Kind is "IntCounter".
func (*IntCounter) Kind() string { return "IntCounter" }

// JSON is the number.
func (a *IntCounter) JSON() string { return strconv.FormatInt(a.n, 10) }

// LongCounter counts; the job's value is the sum.
type LongCounter struct{ n int64 }

// Add adds n.
func (a *LongCounter) Add(n int64) { a.n += n }

// Value is the count of this subtask.
func (a *LongCounter) Value() int64 { return a.n }

// Kind is "LongCounter".
func (*LongCounter) Kind() string { return "LongCounter" }

// JSON is the number.
func (a *LongCounter) JSON() string { return strconv.FormatInt(a.n, 10) }

// LongSum64 is a sum modulo 2^64, for checksums that do not depend on order.
type LongSum64 struct{ n uint64 }

// Add adds n, wrapping around.
func (a *LongSum64) Add(n uint64) { a.n += n }

// Value is the sum of this subtask.
func (a *LongSum64) Value() uint64 { return a.n }

// Kind is "LongSum64".
func (*LongSum64) Kind() string { return "LongSum64" }

// JSON is the number.
func (a *LongSum64) JSON() string { return strconv.FormatUint(a.n, 10) }

// LongMin keeps the least value. Without any it is the largest int64, as Flink's, which changes no minimum.
type LongMin struct {
	n   int64
	set bool
}

// Add takes a value into account.
func (a *LongMin) Add(n int64) {
	if !a.set || n < a.n {
		a.n, a.set = n, true
	}
}

// Kind is "LongMin".
func (*LongMin) Kind() string { return "LongMin" }

// JSON is the number.
func (a *LongMin) JSON() string { return orElse(a.n, a.set, math.MaxInt64) }

// LongMax keeps the largest value. Without any it is the least int64, as Flink's, which changes no maximum.
type LongMax struct {
	n   int64
	set bool
}

// Add takes a value into account.
func (a *LongMax) Add(n int64) {
	if !a.set || n > a.n {
		a.n, a.set = n, true
	}
}

// Kind is "LongMax".
func (*LongMax) Kind() string { return "LongMax" }

// JSON is the number.
func (a *LongMax) JSON() string { return orElse(a.n, a.set, math.MinInt64) }

func orElse(n int64, set bool, empty int64) string {
	if !set {
		n = empty
	}
	return strconv.FormatInt(n, 10)
}

// Double is a sum of floating-point numbers.
type Double struct{ x float64 }

// Add adds x.
func (a *Double) Add(x float64) { a.x += x }

// Kind is "Double".
func (*Double) Kind() string { return "Double" }

// JSON is the number; a string if it is infinite or not a number, which JSON cannot write.
func (a *Double) JSON() string {
	if b, err := json.Marshal(a.x); err == nil {
		return string(b)
	}
	return strconv.Quote(strconv.FormatFloat(a.x, 'g', -1, 64))
}

// Histogram counts how often each value came.
type Histogram struct{ counts map[int]int64 }

// Add counts one value.
func (a *Histogram) Add(value int) {
	if a.counts == nil {
		a.counts = map[int]int64{}
	}
	a.counts[value]++
}

// Kind is "Histogram".
func (*Histogram) Kind() string { return "Histogram" }

// JSON is an object of counts by value, in the order of values.
func (a *Histogram) JSON() string {
	b := []byte{'{'}
	for _, v := range slices.Sorted(maps.Keys(a.counts)) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = strconv.AppendInt(b, int64(v), 10)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, a.counts[v], 10)
	}
	return string(append(b, '}'))
}

// List collects values; it is for few, because all travel with every report of the task.
type List struct{ items []json.RawMessage }

// Add appends v in its JSON form.
func (a *List) Add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	a.items = append(a.items, b)
	return nil
}

// Kind is "List".
func (*List) Kind() string { return "List" }

// JSON is an array.
func (a *List) JSON() string {
	b := []byte{'['}
	for i, item := range a.items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	return string(append(b, ']'))
}

// accumulate registers an accumulator in the task; a name in use by another kind fails the attempt.
func accumulate[A operator.Accumulator](c *RuntimeContext, name string, a A) A {
	got, err := c.op.Task.Accumulate(name, a)
	if err != nil {
		c.fail(err)
	}
	return got.(A)
}

// IntCounter returns the accumulator of this name.
func (c *RuntimeContext) IntCounter(name string) *IntCounter {
	return accumulate(c, name, &IntCounter{})
}

// LongCounter returns the accumulator of this name.
func (c *RuntimeContext) LongCounter(name string) *LongCounter {
	return accumulate(c, name, &LongCounter{})
}

// LongSum64 returns the accumulator of this name.
func (c *RuntimeContext) LongSum64(name string) *LongSum64 { return accumulate(c, name, &LongSum64{}) }

// LongMin returns the accumulator of this name.
func (c *RuntimeContext) LongMin(name string) *LongMin { return accumulate(c, name, &LongMin{}) }

// LongMax returns the accumulator of this name.
func (c *RuntimeContext) LongMax(name string) *LongMax { return accumulate(c, name, &LongMax{}) }

// Double returns the accumulator of this name.
func (c *RuntimeContext) Double(name string) *Double { return accumulate(c, name, &Double{}) }

// Histogram returns the accumulator of this name.
func (c *RuntimeContext) Histogram(name string) *Histogram { return accumulate(c, name, &Histogram{}) }

// List returns the accumulator of this name.
func (c *RuntimeContext) List(name string) *List { return accumulate(c, name, &List{}) }
