package rpc

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flink-go/flink-go/core"
)

// HeartbeatConfig is how a Monitor watches. Zero fields get Flink's defaults.
type HeartbeatConfig struct {
	Interval time.Duration // heartbeat.interval: between two beats to one target
	Timeout  time.Duration // heartbeat.timeout: so much silence means lost
	// FailureThreshold (heartbeat.rpc-failure-threshold) failed beats in a row mean lost; -1: only silence does.
	FailureThreshold int
}

func (c HeartbeatConfig) withDefaults() HeartbeatConfig {
	c.Interval = cmp.Or(c.Interval, 10*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 50*time.Second)
	c.FailureThreshold = cmp.Or(c.FailureThreshold, 2)
	return c
}

// retryBeatAfter is the pause after a beat that failed: the next one decides whether the target is lost, so it must
// not wait for a whole interval.
const retryBeatAfter = 100 * time.Millisecond

// liveness is the core of a Monitor: who is to be asked, who is lost. It is pure: time comes in, decisions go out.
type liveness[K comparable] struct {
	cfg     HeartbeatConfig
	targets map[K]*liveTarget
	seq     int       // of the last target: fixes the order of decisions
	next    time.Time // when tick was due to be called; zero: nobody is watched
}

type liveTarget struct {
	seq      int
	active   bool      // beats are sent; otherwise they are received
	heard    time.Time // last sign of life
	beatAt   time.Time // when the next beat is due
	beating  bool      // a beat is under way
	failures int       // in a row
}

type lostTarget[K comparable] struct {
	key   K
	cause error
}

func newLiveness[K comparable](cfg HeartbeatConfig) *liveness[K] {
	return &liveness[K]{cfg: cfg.withDefaults(), targets: make(map[K]*liveTarget)}
}

func (l *liveness[K]) watch(k K, active bool, now time.Time) {
	l.seq++
	l.targets[k] = &liveTarget{seq: l.seq, active: active, heard: now, beatAt: now.Add(l.cfg.Interval)}
}

func (l *liveness[K]) heard(k K, now time.Time) {
	if t := l.targets[k]; t != nil {
		t.heard, t.failures = now, 0
	}
}

// answered ends a beat.
func (l *liveness[K]) answered(k K, seq int, now time.Time) (current bool) {
	t := l.targets[k]
	if t == nil || t.seq != seq {
		return false // of an earlier watch of the same key
	}
	t.beating = false
	l.heard(k, now)
	return true
}

// failed ends a beat that brought an error and tells whether the target is lost by it.
func (l *liveness[K]) failed(k K, seq int, err error, now time.Time) (lost bool) {
	t := l.targets[k]
	if t == nil || t.seq != seq {
		return false
	}
	t.beating = false
	t.failures++
	t.beatAt = now.Add(min(retryBeatAfter, l.cfg.Interval))
	if core.KindOf(err) == core.Fenced || l.cfg.FailureThreshold > 0 && t.failures >= l.cfg.FailureThreshold {
		delete(l.targets, k)
		return true
	}
	return false
}

// tick tells who is to be sent a beat and who is lost by silence, and when it wants to be called next.
func (l *liveness[K]) tick(now time.Time) (beats []K, lost []lostTarget[K]) {
	// When this process itself stood still (stopped, or starved of CPU), the silence was its own: the others get that
	// time back before they are judged.
	if late := now.Sub(l.next); !l.next.IsZero() && late > l.cfg.Interval {
		for _, t := range l.targets {
			t.heard = t.heard.Add(late)
		}
	}
	l.next = time.Time{}
	keys := make([]K, 0, len(l.targets))
	for k := range l.targets {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return l.targets[a].seq - l.targets[b].seq })
	for _, k := range keys {
		t := l.targets[k]
		if silence := now.Sub(t.heard); silence >= l.cfg.Timeout {
			delete(l.targets, k)
			lost = append(lost, lostTarget[K]{k, fmt.Errorf("no heartbeat for %v", silence)})
			continue
		}
		if t.active && !t.beating && !now.Before(t.beatAt) {
			t.beating = true
			t.beatAt = now.Add(l.cfg.Interval)
			beats = append(beats, k)
		}
		due := t.heard.Add(l.cfg.Timeout)
		if t.active && !t.beating && t.beatAt.Before(due) {
			due = t.beatAt
		}
		if l.next.IsZero() || due.Before(l.next) {
			l.next = due
		}
	}
	return beats, lost
}

// Beat is one heartbeat of an active target. It is called on the main goroutine, where it takes a snapshot of what it
// has to tell, and returns what sends it from another goroutine; that returns what takes the answer, on the main
// goroutine again. Exchange makes one.
type Beat func() (send func(ctx context.Context) (answer func(), err error))

// Exchange makes a Beat of its three steps: payload and answer run on the main goroutine, send elsewhere.
func Exchange[P, R any](payload func() P, send func(context.Context, P) (R, error), answer func(R)) Beat {
	return func() func(context.Context) (func(), error) {
		p := payload()
		return func(ctx context.Context) (func(), error) {
			r, err := send(ctx, p)
			if err != nil {
				return nil, err
			}
			return func() { answer(r) }, nil
		}
	}
}

// Monitor watches whether other components are alive, by beats that it sends (active targets) or receives (passive
// ones), and by the state of connections. All methods belong to the main goroutine of its endpoint; lost is called
// there, once, and the target is forgotten before.
type Monitor[K comparable] struct {
	endpoint    *Endpoint
	live        *liveness[K]
	beats       map[K]Beat
	connections map[K]func() // stop watching the connection
	lost        func(K, error)
	stopTimer   func()
}

// NewMonitor returns a Monitor that runs on e.
func NewMonitor[K comparable](e *Endpoint, cfg HeartbeatConfig, lost func(K, error)) *Monitor[K] {
	return &Monitor[K]{
		endpoint:    e,
		live:        newLiveness[K](cfg),
		beats:       make(map[K]Beat),
		connections: make(map[K]func()),
		lost:        lost,
		stopTimer:   func() {},
	}
}

// Watch begins to watch k; an earlier watch of k is replaced. With a beat, the target is asked once per interval;
// without, it is expected to send beats itself, each of which the owner tells by Heard.
func (m *Monitor[K]) Watch(k K, beat Beat) {
	m.endpoint.Assert()
	m.Forget(k)
	m.live.watch(k, beat != nil, time.Now())
	if beat != nil {
		m.beats[k] = beat
	}
	m.step()
}

// WatchConnection adds to a watched k the RPC server where it lives: when the connection to it breaks and cannot be
// made again at once, k is lost, long before the silence is noticed.
func (m *Monitor[K]) WatchConnection(k K, s Service, server string) {
	m.endpoint.Assert()
	seq := 0
	if t := m.live.targets[k]; t != nil {
		seq = t.seq
	}
	m.stopConnection(k)
	m.connections[k] = WatchConnection(s, server, func(err error) {
		m.endpoint.Run(func() {
			if t := m.live.targets[k]; t != nil && t.seq == seq {
				m.drop(k, fmt.Errorf("connection to %s: %w", server, err))
			}
		})
	})
}

// Heard notes a sign of life of k.
func (m *Monitor[K]) Heard(k K) {
	m.endpoint.Assert()
	m.live.heard(k, time.Now())
}

// LastHeard is when k gave its last sign of life; the zero time when it is not watched.
func (m *Monitor[K]) LastHeard(k K) time.Time {
	m.endpoint.Assert()
	if t := m.live.targets[k]; t != nil {
		return t.heard
	}
	return time.Time{}
}

// Forget ends the watch of k.
func (m *Monitor[K]) Forget(k K) {
	m.endpoint.Assert()
	delete(m.live.targets, k)
	m.forget(k)
}

// Stop forgets all targets.
func (m *Monitor[K]) Stop() {
	m.endpoint.Assert()
	clear(m.live.targets)
	clear(m.beats)
	for k := range m.connections {
		m.stopConnection(k)
	}
	m.stopTimer()
}

func (m *Monitor[K]) forget(k K) {
	delete(m.beats, k)
	m.stopConnection(k)
}

func (m *Monitor[K]) stopConnection(k K) {
	if stop := m.connections[k]; stop != nil {
		delete(m.connections, k)
		stop()
	}
}

func (m *Monitor[K]) drop(k K, cause error) {
	m.Forget(k)
	m.lost(k, cause)
}

// step lets the core decide and carries that out.
func (m *Monitor[K]) step() {
	beats, lost := m.live.tick(time.Now())
	for _, k := range beats {
		m.beat(k)
	}
	for _, l := range lost {
		m.forget(l.key)
		m.lost(l.key, l.cause)
	}
	m.stopTimer()
	if !m.live.next.IsZero() {
		m.stopTimer = m.endpoint.After(time.Until(m.live.next), m.step)
	}
}

func (m *Monitor[K]) beat(k K) {
	t, beat := m.live.targets[k], m.beats[k]
	if t == nil || beat == nil {
		return // forgotten by the payload of a beat before it
	}
	seq := t.seq
	send := beat()
	timeout := m.live.cfg.Timeout
	Await(m.endpoint, func(ctx context.Context) (func(), error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return send(ctx)
	}, func(answer func(), err error) {
		switch {
		case err == nil:
			if m.live.answered(k, seq, time.Now()) {
				answer()
			}
		case m.live.failed(k, seq, err, time.Now()):
			m.forget(k)
			m.lost(k, fmt.Errorf("heartbeat: %w", err))
		}
		m.step()
	})
}

// ConnectionWatcher is what a Service offers that knows about connections.
type ConnectionWatcher interface {
	// WatchConnection calls lost, once, when a connection to server broke or cannot be made, and an attempt to make
	// it again failed too. lost must not block; it may be called before WatchConnection returns. stop ends the watch
	// and does not wait for a lost that is being called.
	WatchConnection(server string, lost func(error)) (stop func())
}

// WatchConnection watches the connection to server if s is a ConnectionWatcher, and does nothing otherwise.
func WatchConnection(s Service, server string, lost func(error)) (stop func()) {
	if w, ok := s.(ConnectionWatcher); ok {
		return w.WatchConnection(server, lost)
	}
	return func() {}
}
