package main

import (
	"strconv"
	"unsafe"
)

// text makes strings, each new, in chunks: an allocation per chunk, not per string.
type text struct{ chunk []byte }

const (
	// chunkSize is above Go's size classes: memory of that size is cheaper to get and to free.
	chunkSize = 64 << 10
	maxText   = 64
)

// numbered is the text around a number of three digits or more: "item" of "item1234".
//
// Most numbers in a row differ in their last two digits only, so the text of the last hundred is kept, and of
// the one beside it, for numbers that go back and forth over the border.
type numbered struct {
	before, after string
	hundreds      [2]hundred
}

// hundred is the text of the numbers from 100 number to 100 number + 99.
type hundred struct {
	number  uint64
	len, at int // of the text, of the last two digits in it
	text    [maxText]byte
}

func (h *hundred) set(s *numbered, number uint64) {
	b := append(h.text[:0], s.before...)
	b = strconv.AppendUint(b, number, 10)
	h.at = len(b)
	b = append(append(b, "00"...), s.after...)
	h.number, h.len = number, len(b)
}

const twoDigits = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" +
	"40414243444546474849" + "50515253545556575859" + "60616263646566676869" + "70717273747576777879" +
	"80818283848586878889" + "90919293949596979899"

// of returns the text of number n.
func (t *text) of(s *numbered, n uint64) string {
	h := &s.hundreds[n/100%2]
	if h.number != n/100 {
		h.set(s, n/100)
	}
	t.grow()
	b := t.chunk
	*(*[maxText]byte)(b) = h.text // what is too much is written over by the next one
	two := n % 100 * 2
	b[h.at+1], b[h.at] = twoDigits[two+1], twoDigits[two]
	return t.take(h.len)
}

// padded returns n < 1e16 with 16 digits.
func (t *text) padded(n uint64) string {
	t.grow()
	b := strconv.AppendUint(t.chunk[:0], 1e16+n, 10)
	t.chunk = t.chunk[1:] // a leading 1 has kept the zeros
	return t.take(len(b) - 1)
}

func (t *text) grow() {
	if len(t.chunk) < maxText {
		t.chunk = make([]byte, chunkSize)
	}
}

// take returns the first n bytes of the chunk, which are never written again.
func (t *text) take(n int) string {
	s := unsafe.String(&t.chunk[0], n)
	t.chunk = t.chunk[n:]
	return s
}
