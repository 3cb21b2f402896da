package operator

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The valve says what a plain scan over all channels says: the least watermark of those that are neither idle nor
// ended nor behind after a rest, never going back.
func TestValveIsTheLeastOfActiveChannels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "channels")
		v := newValve(n)
		type channel struct {
			wm                  int64
			idle, behind, ended bool
		}
		model := make([]channel, n)
		for i := range model {
			model[i].wm = math.MinInt64
		}
		now := int64(math.MinInt64)
		least := func() (int64, bool) {
			m, any := int64(math.MaxInt64), false
			for _, c := range model {
				if !c.idle && !c.ended && !c.behind {
					m, any = min(m, c.wm), true
				}
			}
			return m, any
		}
		wake := func(c *channel) {
			if c.idle {
				c.idle = false
				c.behind = c.wm < now
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := int32(rapid.IntRange(0, n-1).Draw(t, "channel"))
			c := &model[i]
			if c.ended {
				continue
			}
			all := false
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				v.rest(i)
				c.idle = true
			case 1:
				_, _, all = v.end(i)
				c.ended, c.idle = true, false
			case 2:
				v.wake(i)
				wake(c)
			default:
				ts := rapid.Int64Range(0, 20).Draw(t, "ts")
				v.watermark(i, ts)
				wake(c)
				c.wm = max(c.wm, ts)
				if c.wm >= now {
					c.behind = false
				}
			}
			if m, any := least(); any && m > now && !all {
				now = m
			}
			// The last one to rest leaves what the furthest one knew.
			if !all && !slices.ContainsFunc(model, func(c channel) bool { return !c.idle && !c.ended }) {
				for _, c := range model {
					if c.idle {
						now = max(now, c.wm)
					}
				}
			}
			if v.now != now {
				t.Fatalf("the valve says %d, want %d of %+v", v.now, now, model)
			}
		}
	})
}

func TestInputIsSilentWhenAllChannelsRest(t *testing.T) {
	v := newValve(2)
	if _, silent := v.rest(0); silent {
		t.Error("one of two")
	}
	if _, silent := v.rest(1); !silent {
		t.Error("both rest")
	}
	v.wake(0)
	if _, silent, _ := v.end(0); !silent {
		t.Error("one ended, one rests")
	}
	if v.wake(1) {
		t.Error("there is no watermark to be said again")
	}
	v.watermark(1, 5)
	v.rest(1)
	if !v.wake(1) {
		t.Error("the input counts again, and nobody is told")
	}
	if _, _, all := v.end(1); !all {
		t.Error("both ended")
	}
	if _, _, all := v.end(1); all {
		t.Error("ended twice")
	}
}
