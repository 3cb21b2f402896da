package keyed

// sweepAtOnce is how many entries on disk are swept at a time: a scan costs as much as reading dozens of entries.
const sweepAtOnce = 128

// sweeper goes over a state again and again, a few entries at a time: first over the rows in memory, then over what is
// on disk.
type sweeper struct {
	row  uint32 // next row in memory
	next []byte // next key on disk; empty: rows in memory are next
	due  int    // entries on disk that should have been visited
	key  []byte
}

// sweep calls inMemory for rows that have a cell of the state, and onDisk for entries on disk, n in all. done tells
// that it came to the end.
func (s *sweeper) sweep(c *rowCache, head []byte, bit uint64, n int, inMemory func(r *rowState), onDisk func(key, value []byte), fault func(error)) (done bool) {
	if len(s.next) == 0 {
		for ; n > 0 && int(s.row) < len(c.heat); s.row++ {
			if c.heat[s.row] == unused {
				continue
			}
			n--
			if r := c.sc.index.state(s.row); r.present&bit != 0 {
				inMemory(r)
			}
		}
		if int(s.row) < len(c.heat) {
			return false
		}
		s.row = 0
		s.next = append(s.next[:0], head...)
	}
	if s.due += n; s.due < sweepAtOnce {
		return false
	}
	left := s.due
	s.due = 0
	end := after(head)
	done = true
	fault(c.kv.Scan(s.next, end, func(key, value []byte) bool {
		if left == 0 {
			s.next = append(s.next[:0], key...)
			done = false
			return false
		}
		left--
		s.key = append(s.key[:0], key...)
		onDisk(s.key, value)
		return true
	}))
	if done {
		s.next = s.next[:0]
	}
	return done
}
