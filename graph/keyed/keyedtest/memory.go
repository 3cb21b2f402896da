package keyedtest

import (
	"bytes"
	"slices"

	"github.com/flink-go/flink-go/graph/keyed"
)

// Limited is kv with this many bytes for the decoded state above it: 1 means that nothing stays in memory.
func Limited(kv keyed.KeyValue, bytes int64) keyed.KeyValue {
	return budgeted{kv, keyed.NewCacheBudget(bytes)}
}

// Memory is a KeyValue in memory: a disk for tests. It spoils what it handed out when the next call comes.
type Memory struct {
	entries []pair
	lent    []byte
}

type pair struct{ key, value []byte }

func (m *Memory) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(m.entries, key, func(p pair, key []byte) int { return bytes.Compare(p.key, key) })
}

// Get implements keyed.KeyValue.
func (m *Memory) Get(key, dst []byte) ([]byte, bool, error) {
	i, ok := m.find(key)
	if !ok {
		return dst, false, nil
	}
	return append(dst, m.entries[i].value...), true, nil
}

// Set implements keyed.KeyValue.
func (m *Memory) Set(key, value []byte) error {
	i, ok := m.find(key)
	if !ok {
		m.entries = slices.Insert(m.entries, i, pair{key: bytes.Clone(key)})
	}
	m.entries[i].value = bytes.Clone(value)
	return nil
}

// Delete implements keyed.KeyValue.
func (m *Memory) Delete(key []byte) error {
	if i, ok := m.find(key); ok {
		m.entries = slices.Delete(m.entries, i, i+1)
	}
	return nil
}

// DeleteRange implements keyed.KeyValue.
func (m *Memory) DeleteRange(from, to []byte) error {
	i, _ := m.find(from)
	j, _ := m.find(to)
	m.entries = slices.Delete(m.entries, i, j)
	return nil
}

// Scan implements keyed.KeyValue.
func (m *Memory) Scan(from, to []byte, each func(key, value []byte) bool) error {
	i, _ := m.find(from)
	j, _ := m.find(to)
	for _, p := range slices.Clone(m.entries[i:j]) {
		m.lent = append(append(m.lent[:0], p.key...), p.value...)
		lent := m.lent
		m.lent = nil // a nested scan has its own
		n := len(p.key)
		more := each(lent[:n:n], lent[n:])
		for i := range lent {
			lent[i] = 0xee
		}
		m.lent = lent
		if !more {
			break
		}
	}
	return nil
}
