package keyed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// soonest is how many timers are kept in memory: the ones that are due first.
const soonest = 1024

// diskTimers is Timers on disk. Those due first are in memory, the others on disk, and none is in both. A timer is the
// bytes of its time, the high byte first, and of its key, so that the order of bytes is the order of timers.
type diskTimers struct {
	scope *Scope
	cache *rowCache
	name  string
	head  []byte
	// first holds the soonest timers in descending order: the next one is the last.
	first [][]byte
	spare [][]byte // memory of timers that are gone
	// least is a lower bound of those on disk. A timer from there on is on disk, one before it in memory.
	least  []byte
	stored int
	buf    []byte
}

func newDiskTimers(sc *Scope, name string) timerState {
	return &diskTimers{scope: sc, cache: sc.disk.(*rowCache), name: name, head: diskHead(sc.backend)}
}

func (t *diskTimers) fault(err error) {
	if err != nil {
		panic(fmt.Errorf("state %q: %w", t.name, err))
	}
}

const timeLen = 8

// timer is that of the current key; it is valid until the next one is made.
func (t *diskTimers) timer(at int64) []byte {
	if t.scope.where == noKey {
		t.scope.find(t.name) // says what is wrong
	}
	t.buf = append(t.buf[:0], t.head...)
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(at)^1<<63)
	t.buf = append(t.buf, t.cache.currentKey()...)
	return t.buf[len(t.head):]
}

func timeOf(timer []byte) int64 { return int64(binary.BigEndian.Uint64(timer) ^ 1<<63) }

func (t *diskTimers) onDisk(timer []byte) bool {
	return t.stored > 0 && bytes.Compare(timer, t.least) >= 0
}

func (t *diskTimers) find(timer []byte) (int, bool) {
	return slices.BinarySearchFunc(t.first, timer, func(a, b []byte) int { return bytes.Compare(b, a) })
}

// Set implements timerState.
func (t *diskTimers) Set(at int64) {
	timer := t.timer(at)
	if t.onDisk(timer) {
		_, ok, err := t.cache.kv.Get(t.buf, nil)
		t.fault(err)
		if !ok {
			t.fault(t.cache.kv.Set(t.buf, nil))
			t.stored++
		}
		return
	}
	i, ok := t.find(timer)
	if ok {
		return
	}
	t.first = slices.Insert(t.first, i, t.copy(timer))
	if len(t.first) > soonest {
		t.spill()
	}
}

func (t *diskTimers) copy(timer []byte) []byte {
	var own []byte
	if n := len(t.spare); n > 0 {
		own, t.spare = t.spare[n-1][:0], t.spare[:n-1]
	}
	return append(own, timer...)
}

func (t *diskTimers) discard(timer []byte) { t.spare = append(t.spare, timer) }

// spill moves the later half of the timers in memory to the disk.
func (t *diskTimers) spill() {
	half := len(t.first) / 2
	for _, timer := range t.first[:half] {
		t.buf = append(append(t.buf[:0], t.head...), timer...)
		t.fault(t.cache.kv.Set(t.buf, nil))
		t.discard(timer)
	}
	t.least = append(t.least[:0], t.first[half-1]...)
	t.stored += half
	t.first = slices.Delete(t.first, 0, half)
}

// fill brings the next timers into memory when there are none.
func (t *diskTimers) fill() {
	if len(t.first) > 0 || t.stored == 0 {
		return
	}
	from := append(append([]byte(nil), t.head...), t.least...)
	found := false
	t.fault(t.cache.kv.Scan(from, after(t.head), func(key, _ []byte) bool {
		timer := key[len(t.head):]
		if len(t.first) == soonest/2 {
			t.least = append(t.least[:0], timer...)
			found = true
			return false
		}
		t.first = append(t.first, t.copy(timer))
		return true
	}))
	for _, timer := range t.first {
		t.buf = append(append(t.buf[:0], t.head...), timer...)
		t.fault(t.cache.kv.Delete(t.buf))
	}
	t.stored -= len(t.first)
	slices.Reverse(t.first)
	if !found && t.stored != 0 || len(t.first) == 0 {
		t.fault(fmt.Errorf("%d timers are not where they were stored", t.stored))
	}
}

// Cancel implements timerState.
func (t *diskTimers) Cancel(at int64) {
	timer := t.timer(at)
	if t.onDisk(timer) {
		_, ok, err := t.cache.kv.Get(t.buf, nil)
		t.fault(err)
		if ok {
			t.fault(t.cache.kv.Delete(t.buf))
			t.stored--
		}
		return
	}
	if i, ok := t.find(timer); ok {
		t.discard(t.first[i])
		t.first = slices.Delete(t.first, i, i+1)
	}
}

// Fire implements timerState.
func (t *diskTimers) Fire(upTo int64, fire func(at int64)) {
	for {
		t.fill()
		last := len(t.first) - 1
		if last < 0 || timeOf(t.first[last]) > upTo {
			break
		}
		timer := t.first[last]
		t.first = t.first[:last]
		t.fault(t.scope.index.enterKey(timer[timeLen:]))
		at := timeOf(timer)
		t.discard(timer)
		fire(at)
	}
	t.scope.NoKey()
}

// Next implements timerState.
func (t *diskTimers) Next() (at int64, ok bool) {
	t.fill()
	if len(t.first) == 0 {
		return 0, false
	}
	return timeOf(t.first[len(t.first)-1]), true
}

// Len implements timerState.
func (t *diskTimers) Len() int { return len(t.first) + t.stored }
