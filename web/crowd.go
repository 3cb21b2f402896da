package web

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// crowd bounds the connections of a server (SEC-09). When there are too many, the one that has waited longest without
// a request has to go: a thousand idle connections keep nobody out (B-50).
type crowd struct {
	limit int

	mu      sync.Mutex
	all     map[net.Conn]*list.Element // nil: serves a request
	waiting *list.List                 // of net.Conn, the longest first
}

func newCrowd(limit int) *crowd {
	return &crowd{limit: limit, all: map[net.Conn]*list.Element{}, waiting: list.New()}
}

// changed is the server's ConnState.
func (c *crowd) changed(nc net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all[nc]; e != nil {
		c.waiting.Remove(e)
	}
	switch s {
	case http.StateNew, http.StateIdle:
		c.all[nc] = c.waiting.PushBack(nc)
	case http.StateActive:
		c.all[nc] = nil
	case http.StateHijacked, http.StateClosed:
		delete(c.all, nc)
	}
	if s == http.StateNew && len(c.all) > c.limit {
		gone := c.waiting.Remove(c.waiting.Front()).(net.Conn) // nc itself if all others are busy
		c.all[gone] = nil
		_ = gone.Close() // its goroutine reports StateClosed
	}
}
