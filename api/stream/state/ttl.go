package state

import "time"

// TTL gives each value of a state a time to live, in processing time and in steps of a millisecond: d after the value
// was last written it is expired. Elements of a List and entries of a Map expire one by one.
//
// An expired value is not returned and is removed when it is found. Those whose key never comes again are found by
// the accesses to other keys, each of which looks at a few: so the memory is released as long as any record comes.
func TTL(d time.Duration, how ...TTLOption) Option {
	t := &ttl{life: d.Milliseconds(), given: d, entries: DefaultCleanup}
	for _, h := range how {
		h(t)
	}
	return t
}

// DefaultCleanup is how many entries an access examines for expired ones.
const DefaultCleanup = 5

// TTLOption changes how TTL works.
type TTLOption func(*ttl)

// OnRead makes reading a value renew its time to live as writing does.
func OnRead() TTLOption { return func(t *ttl) { t.onRead = true } }

// ReturnExpired makes a read return an expired value that is still there, which is then removed.
func ReturnExpired() TTLOption { return func(t *ttl) { t.returnExpired = true } }

// Cleanup makes each access to the state examine n entries for expired ones; 0 leaves them until their key comes
// again. The default is DefaultCleanup.
func Cleanup(n int) TTLOption { return func(t *ttl) { t.entries = n } }

// ttl is what TTL was given.
type ttl struct {
	given         time.Duration
	life          int64 // milliseconds
	onRead        bool
	returnExpired bool
	entries       int
}

func (t *ttl) apply(o *options) { o.ttl = t }

func (t *ttl) expired(at, now int64) bool { return now-at >= t.life }

// timed is a value with the time of its last write, or read if that counts.
type timed[V any] struct {
	V  V
	At int64
}

// sweeper decides when it is worth to look for expired values: in a pass over all of them it learns which is the
// oldest, and it begins the next pass when that one expires.
type sweeper struct {
	*ttl
	oldest int64 // of those that the pass left
	begun  int64 // when the pass began: what it does not see is not older
	next   int64 // when the next pass begins
	active bool
}

// due tells whether to go on with a pass.
func (s *sweeper) due(now int64) bool {
	if s.entries <= 0 {
		return false
	}
	if !s.active && now >= s.next {
		s.active, s.begun, s.oldest = true, now, now
	}
	return s.active
}

// seen tells whether a value is to be removed.
func (s *sweeper) seen(at, now int64) (expired bool) {
	if s.expired(at, now) {
		return true
	}
	s.oldest = min(s.oldest, at)
	return false
}

// done ends a pass.
func (s *sweeper) done() {
	s.active = false
	s.next = s.oldest + s.life
}
