package operator

import "math"

// valve derives the event time of an input from the watermarks of its channels: the least of those that are neither
// idle nor ended. Its arrays are made when the first watermark comes; while all channels move together a watermark
// costs no scan.
type valve struct {
	channels int
	state    []channelState
	times    []int64
	now      int64 // what was said last
	least    int64 // of the channels that count
	atLeast  int   // how many of those are at least
	idle     int
	ended    int
	silent   bool // Idle was said last
}

type channelState uint8

const (
	counts channelState = iota
	behind              // was idle and has not caught up with now
	isIdle
	hasEnded
)

func newValve(channels int) valve {
	return valve{channels: channels, now: math.MinInt64, least: math.MinInt64, atLeast: channels}
}

func (v *valve) make() {
	if v.state == nil {
		v.state = make([]channelState, v.channels)
		v.times = make([]int64, v.channels)
		for i := range v.times {
			v.times[i] = math.MinInt64
		}
	}
}

// watermark notes the watermark of channel c and tells whether the input's has moved.
func (v *valve) watermark(c int32, ts int64) bool {
	v.make()
	if v.state[c] == hasEnded {
		return false
	}
	moved := v.wake(c)
	old := v.times[c]
	if ts <= old {
		return moved
	}
	v.times[c] = ts
	switch {
	case v.state[c] == behind:
		if ts < v.now {
			return moved
		}
		v.state[c] = counts
		return v.scan() || moved
	case old == v.least:
		if v.atLeast--; v.atLeast == 0 {
			return v.scan() || moved
		}
	}
	return moved
}

// wake says that channel c has data and tells whether the input's watermark has moved, or has to be said again because
// the input was idle.
func (v *valve) wake(c int32) bool {
	if v.idle == 0 || v.state[c] != isIdle {
		return false
	}
	v.idle--
	stirs := v.silent && v.now > math.MinInt64
	v.silent = false
	v.state[c] = behind
	if v.times[c] < v.now {
		return stirs
	}
	v.state[c] = counts
	return v.scan() || stirs
}

// rest says that channel c is idle. moved: the watermark is a new one; silent: all channels rest.
func (v *valve) rest(c int32) (moved, silent bool) {
	v.make()
	if v.state[c] == isIdle || v.state[c] == hasEnded {
		return false, false
	}
	v.state[c] = isIdle
	v.idle++
	return v.settle()
}

// settle finds the watermark after a channel has gone to rest or ended. If none is left that counts, the furthest of
// those that rest is what is known: it must not matter which of them went last.
func (v *valve) settle() (moved, silent bool) {
	moved = v.scan()
	if v.silent || v.idle+v.ended < v.channels {
		return moved, false
	}
	v.silent = true
	for i, s := range v.state {
		if s == isIdle && v.times[i] > v.now {
			v.now, moved = v.times[i], true
		}
	}
	return moved, true
}

// end says that channel c has ended; a second End of a channel is none.
func (v *valve) end(c int32) (moved, silent, all bool) {
	v.make()
	if v.state[c] == hasEnded {
		return false, false, false
	}
	if v.state[c] == isIdle {
		v.idle--
	}
	v.state[c] = hasEnded
	v.ended++
	if v.ended == v.channels {
		return false, false, true
	}
	moved, silent = v.settle()
	return moved, silent, false
}

// scan finds the least watermark anew and tells whether the input's has moved.
func (v *valve) scan() bool {
	v.least, v.atLeast = math.MaxInt64, 0
	for i, s := range v.state {
		switch t := v.times[i]; {
		case s != counts:
		case t < v.least:
			v.least, v.atLeast = t, 1
		case t == v.least:
			v.atLeast++
		}
	}
	if v.atLeast > 0 && v.least > v.now {
		v.now = v.least
		return true
	}
	return false
}
