package keyed

import (
	"bytes"
	"fmt"
)

// eachBatch is how many keys Each takes from the disk at a time.
const eachBatch = 256

// Each makes every key that has something in the state of that name the current one, in turn, and calls each, until
// it returns false. each may change what the current key has. There is no current key afterwards.
func (r *Rows[K]) Each(name string, each func() bool) error {
	number, bit := 0, uint64(1)
	for _, s := range r.backend.states {
		if s.Name == name {
			break
		}
		number++
		if s.Kind != KindStore { // which has no column
			bit <<= 1
		}
	}
	if number == len(r.backend.states) {
		return fmt.Errorf("state %q is not declared: list it in what the State method of the processor returns", name)
	}
	r.NoKey()
	defer r.NoKey()
	if c, ok := r.disk.(*rowCache); ok {
		r.eachOnDisk(c, number, each)
		return nil
	}
	for _, row := range r.table.All() {
		if row.present&bit == 0 {
			continue
		}
		if r.enter(row.row); !each() {
			break
		}
	}
	return nil
}

func (r *Rows[K]) eachOnDisk(c *rowCache, number int, each func() bool) {
	fault := func(err error) {
		if err != nil {
			panic(fmt.Errorf("state %q: %w", r.backend.states[number].Name, err))
		}
	}
	c.flush()
	head := append(append([]byte(nil), r.backend.prefix...), byte(number>>8), byte(number))
	from, to := head, after(head)
	for {
		// Collected first, because each may write.
		var batch [][]byte
		var bad error
		fault(c.kv.Scan(from, to, func(key, _ []byte) bool {
			src := key[len(head):]
			n, _, err := c.keys.find(src)
			if err != nil {
				bad = err
				return false
			}
			if len(batch) == 0 || !bytes.Equal(batch[len(batch)-1], src[:n]) { // a list or map has several entries
				if len(batch) == eachBatch {
					return false
				}
				batch = append(batch, bytes.Clone(src[:n]))
			}
			return true
		}))
		fault(bad)
		for _, key := range batch {
			fault(r.enterKey(key))
			if !each() {
				return
			}
		}
		if len(batch) < eachBatch {
			return
		}
		from = after(append(bytes.Clone(head), batch[len(batch)-1]...))
	}
}
