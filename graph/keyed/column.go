package keyed

import "fmt"

// maxStates is the number of states of one Scope: a bit of rowState.present each.
const maxStates = 64

// column holds an E per row of a Scope, by value. A page is as long as its rows need it: it moves while it grows to
// pageLen, and then no more. So a pointer into it holds until another row becomes present.
type column[E any] struct {
	scope *Scope
	name  string
	bit   uint64
	pages [][]E
}

// newColumn registers a column of sc, which the caller adds to sc.columns.
func newColumn[E any](sc *Scope, s State) (column[E], error) {
	if err := sc.backend.register(s); err != nil {
		return column[E]{}, err
	}
	if len(sc.columns) == maxStates {
		return column[E]{}, fmt.Errorf("state %q: an operator can have %d states: keep several values in one struct", s.Name, maxStates)
	}
	return column[E]{scope: sc, name: s.Name, bit: 1 << len(sc.columns)}, nil
}

// at returns the element of a row that is present.
func (c *column[E]) at(row uint32) *E { return &c.pages[row/pageLen][row%pageLen] }

// get returns the row of the current key and its element, nil if there is none.
func (c *column[E]) get() (row uint32, e *E) {
	r := c.scope.find(c.name)
	if r == nil || r.present&c.bit == 0 {
		return 0, nil
	}
	return r.row, c.at(r.row)
}

// ref returns the row of the current key and its element, a new zero one if there was none.
func (c *column[E]) ref() (row uint32, e *E, isNew bool) {
	r := c.scope.take(c.name)
	if r.present&c.bit != 0 {
		return r.row, c.at(r.row), false
	}
	return r.row, c.place(r), true
}

// place makes a row present and returns its element, which is zero.
func (c *column[E]) place(r *rowState) *E {
	r.present |= c.bit
	p, i := int(r.row/pageLen), int(r.row%pageLen)
	if p >= len(c.pages) || i >= len(c.pages[p]) {
		c.grow(p, i)
	}
	return &c.pages[p][i]
}

// grow makes page p long enough for place i.
func (c *column[E]) grow(p, i int) {
	if n := len(c.scope.pages); n > len(c.pages) {
		c.pages = append(c.pages, make([][]E, n-len(c.pages))...)
	}
	n := max(firstLen, len(c.pages[p]))
	for n <= i {
		n *= 2
	}
	page := make([]E, n)
	copy(page, c.pages[p])
	c.pages[p] = page
}

// clear removes the element of the current key.
func (c *column[E]) clear() {
	if r := c.scope.find(c.name); r != nil && r.present&c.bit != 0 {
		c.remove(r)
	}
}

// remove removes the element of a row where it is present.
func (c *column[E]) remove(r *rowState) {
	var zero E
	*c.at(r.row) = zero
	r.present &^= c.bit
	c.scope.settle(r)
}

// sweep looks at the next n rows after *cursor and removes the elements that drop wants removed. done tells that it
// came to the last row.
func (c *column[E]) sweep(cursor *uint32, n int, drop func(row uint32, e *E) bool) (done bool) {
	rows := uint32(len(c.pages)) * pageLen
	for ; n > 0 && *cursor < rows; n-- {
		row := *cursor
		if row%pageLen >= uint32(len(c.pages[row/pageLen])) {
			*cursor += pageLen - row%pageLen // to the next page
			continue
		}
		*cursor++
		if r := c.scope.index.state(row); r.present&c.bit != 0 && drop(row, c.at(row)) {
			c.remove(r)
		}
	}
	if *cursor < rows {
		return false
	}
	*cursor = 0
	return true
}

func (c *column[E]) forget(page uint32) {
	if int(page) < len(c.pages) {
		c.pages[page] = nil
	}
}

// group is the place of a row's key group among those of the subtask.
func (c *column[E]) group(row uint32) int { return int(c.scope.pages[row/pageLen].group) }
