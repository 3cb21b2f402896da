package scheduler

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flink-go/flink-go/core"
)

// merger adds up the values of one accumulator.
type merger interface {
	add(value string) error
	json() string
}

// accumulators merges the accumulators of many subtasks by name and kind. Two kinds under one name stay two values.
type accumulators struct {
	byKey map[accumulatorKey]merger
	bad   map[accumulatorKey]error
}

type accumulatorKey struct{ name, kind string }

// MergeAccumulators merges values of many subtasks by name and kind, ordered by name. A value that cannot be read
// makes its accumulator one of kind "Failed" that says why.
func MergeAccumulators(lists ...[]core.Accumulator) []core.Accumulator {
	var m accumulators
	for _, list := range lists {
		m.add(list)
	}
	return m.merged()
}

func (m *accumulators) add(list []core.Accumulator) {
	for _, a := range list {
		key := accumulatorKey{a.Name, a.Kind}
		if m.byKey == nil {
			m.byKey, m.bad = map[accumulatorKey]merger{}, map[accumulatorKey]error{}
		}
		into := m.byKey[key]
		if into == nil {
			into = newMerger(a.Kind)
			m.byKey[key] = into
		}
		if err := into.add(a.Value); err != nil && m.bad[key] == nil {
			m.bad[key] = err
		}
	}
}

func (m *accumulators) merged() []core.Accumulator {
	keys := slices.SortedFunc(maps.Keys(m.byKey), func(a, b accumulatorKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	out := make([]core.Accumulator, 0, len(keys))
	for _, key := range keys {
		a := core.Accumulator{Name: key.name, Kind: key.kind}
		if err := m.bad[key]; err != nil {
			text, _ := json.Marshal(fmt.Sprintf("cannot merge %s: %v", key.kind, err)) // a string always marshals
			a.Kind, a.Value = "Failed", string(text)
		} else {
			a.Value = m.byKey[key].json()
		}
		out = append(out, a)
	}
	return out
}

func newMerger(kind string) merger {
	switch kind {
	case "IntCounter", "LongCounter":
		return &longMerger{merge: func(a, b int64) int64 { return a + b }}
	case "LongMin":
		return &longMerger{merge: func(a, b int64) int64 { return min(a, b) }}
	case "LongMax":
		return &longMerger{merge: func(a, b int64) int64 { return max(a, b) }}
	case "LongSum64":
		return &wrapMerger{}
	case "Double":
		return &doubleMerger{}
	case "Histogram":
		return &histogramMerger{counts: map[string]int64{}}
	case "List":
		return &listMerger{}
	default:
		return unknownMerger{}
	}
}

// longMerger holds a signed number.
type longMerger struct {
	merge func(a, b int64) int64
	value int64
	any   bool
}

func (m *longMerger) add(value string) error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("read a whole number: %w", err)
	}
	if m.any {
		n = m.merge(m.value, n)
	}
	m.value, m.any = n, true
	return nil
}

func (m *longMerger) json() string { return strconv.FormatInt(m.value, 10) }

// wrapMerger holds a sum modulo 2^64: checksums, whose order of addition must not matter.
type wrapMerger struct{ value uint64 }

func (m *wrapMerger) add(value string) error {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		signed, err2 := strconv.ParseInt(value, 10, 64)
		if err2 != nil {
			return fmt.Errorf("read a number of 64 bits: %w", err)
		}
		n = uint64(signed)
	}
	m.value += n
	return nil
}

func (m *wrapMerger) json() string { return strconv.FormatUint(m.value, 10) }

// doubleMerger holds a sum of floating point numbers. JSON has no infinities and no NaN, so those are strings.
type doubleMerger struct{ value float64 }

func (m *doubleMerger) add(value string) error {
	n, err := strconv.ParseFloat(strings.Trim(value, `"`), 64)
	if err != nil {
		return fmt.Errorf("read a number: %w", err)
	}
	m.value += n
	return nil
}

func (m *doubleMerger) json() string {
	text := strconv.FormatFloat(m.value, 'g', -1, 64)
	if math.IsInf(m.value, 0) || math.IsNaN(m.value) {
		return strconv.Quote(text)
	}
	return text
}

// histogramMerger holds counts by value.
type histogramMerger struct{ counts map[string]int64 }

func (m *histogramMerger) add(value string) error {
	var counts map[string]int64
	if err := json.Unmarshal([]byte(value), &counts); err != nil {
		return fmt.Errorf("read a histogram: %w", err)
	}
	for k, n := range counts {
		m.counts[k] += n
	}
	return nil
}

func (m *histogramMerger) json() string {
	text, _ := json.Marshal(m.counts) // a map of numbers always marshals
	return string(text)
}

// listMerger appends lists, in the order of subtasks.
type listMerger struct{ items []json.RawMessage }

func (m *listMerger) add(value string) error {
	var items []json.RawMessage
	if err := json.Unmarshal([]byte(value), &items); err != nil {
		return fmt.Errorf("read a list: %w", err)
	}
	m.items = append(m.items, items...)
	return nil
}

func (m *listMerger) json() string {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, item := range m.items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(item)
	}
	b.WriteByte(']')
	return b.String()
}

// unknownMerger refuses values of a kind that this version does not know.
type unknownMerger struct{}

func (unknownMerger) add(string) error { return errors.New("the kind is unknown") }

func (unknownMerger) json() string { return "null" }
