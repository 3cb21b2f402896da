package keyed

import "fmt"

// maxStates is the number of states of one Scope: a bit of rowState.present each.
const maxStates = 64

// column holds an E per row of a Scope, by value, in blocks that never move.
type column[E any] struct {
	scope *Scope
	name  string
	bit   uint64
	pages []*[blockLen]E // by block; nil where no row of the block was ever present
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
func (c *column[E]) at(row uint32) *E { return &c.pages[row/blockLen][row%blockLen] }

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
	r.present |= c.bit
	if b := int(r.row / blockLen); b >= len(c.pages) || c.pages[b] == nil {
		c.grow(b)
	}
	return r.row, c.at(r.row), true
}

// grow allocates the extent of a block.
func (c *column[E]) grow(b int) {
	if n := len(c.scope.blocks); n > len(c.pages) {
		c.pages = append(c.pages, make([]*[blockLen]E, n-len(c.pages))...)
	}
	ext := c.scope.blocks[b]
	room := make([]E, ext.extentCount*blockLen)
	for i := range ext.extentCount {
		c.pages[ext.extent+i] = (*[blockLen]E)(room[i*blockLen:])
	}
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
	rows := uint32(len(c.pages)) * blockLen
	for ; n > 0 && *cursor < rows; n-- {
		row := *cursor
		*cursor++
		if c.pages[row/blockLen] == nil {
			*cursor += blockLen - 1 - row%blockLen
			continue
		}
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

func (c *column[E]) forget(block uint32) {
	if int(block) < len(c.pages) {
		c.pages[block] = nil
	}
}

// group is the place of a row's key group among those of the subtask.
func (c *column[E]) group(row uint32) int { return int(c.scope.blocks[row/blockLen].group) }
