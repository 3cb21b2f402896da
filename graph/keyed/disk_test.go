package keyed_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/keyed/keyedtest"
)

func TestConformanceOfHeap(t *testing.T) {
	keyedtest.Run(t, func(testing.TB) keyed.KeyValue { return nil })
}

func TestConformanceOfDisk(t *testing.T) {
	keyedtest.Run(t, func(testing.TB) keyed.KeyValue { return &sorted{} })
}

// sorted is a KeyValue in memory. It spoils what it handed out when the next call comes.
type sorted struct {
	entries []pair
	lent    []byte
}

type pair struct{ key, value []byte }

func (s *sorted) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(s.entries, key, func(p pair, key []byte) int { return bytes.Compare(p.key, key) })
}

func (s *sorted) Get(key, dst []byte) ([]byte, bool, error) {
	i, ok := s.find(key)
	if !ok {
		return dst, false, nil
	}
	return append(dst, s.entries[i].value...), true, nil
}

func (s *sorted) Set(key, value []byte) error {
	i, ok := s.find(key)
	if !ok {
		s.entries = slices.Insert(s.entries, i, pair{key: bytes.Clone(key)})
	}
	s.entries[i].value = bytes.Clone(value)
	return nil
}

func (s *sorted) Delete(key []byte) error {
	if i, ok := s.find(key); ok {
		s.entries = slices.Delete(s.entries, i, i+1)
	}
	return nil
}

func (s *sorted) DeleteRange(from, to []byte) error {
	i, _ := s.find(from)
	j, _ := s.find(to)
	s.entries = slices.Delete(s.entries, i, j)
	return nil
}

func (s *sorted) Scan(from, to []byte, each func(key, value []byte) bool) error {
	i, _ := s.find(from)
	j, _ := s.find(to)
	for _, p := range slices.Clone(s.entries[i:j]) {
		s.lent = append(append(s.lent[:0], p.key...), p.value...)
		lent := s.lent
		s.lent = nil // a nested scan has its own
		n := len(p.key)
		more := each(lent[:n:n], lent[n:])
		for i := range lent {
			lent[i] = 0xee
		}
		s.lent = lent
		if !more {
			break
		}
	}
	return nil
}
