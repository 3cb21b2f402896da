package window

import (
	"bytes"
	"slices"

	"github.com/flink-go/flink-go/graph/keyed"
)

// Memory is a KeyValue in memory. What is above it must read and write it all the time.
type Memory struct {
	entries []memoryEntry
	budget  *keyed.CacheBudget
}

// CacheBudget implements keyed.Budgeted.
func (m *Memory) CacheBudget() *keyed.CacheBudget {
	if m.budget == nil {
		m.budget = keyed.NewCacheBudget(1)
	}
	return m.budget
}

type memoryEntry struct{ key, value []byte }

func (m *Memory) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(m.entries, key, func(e memoryEntry, key []byte) int { return bytes.Compare(e.key, key) })
}

func (m *Memory) Get(key, dst []byte) ([]byte, bool, error) {
	if i, ok := m.find(key); ok {
		return append(dst, m.entries[i].value...), true, nil
	}
	return dst, false, nil
}

func (m *Memory) Set(key, value []byte) error {
	i, ok := m.find(key)
	if !ok {
		m.entries = slices.Insert(m.entries, i, memoryEntry{key: bytes.Clone(key)})
	}
	m.entries[i].value = bytes.Clone(value)
	return nil
}

func (m *Memory) Delete(key []byte) error {
	if i, ok := m.find(key); ok {
		m.entries = slices.Delete(m.entries, i, i+1)
	}
	return nil
}

func (m *Memory) DeleteRange(from, to []byte) error {
	i, _ := m.find(from)
	j, _ := m.find(to)
	m.entries = slices.Delete(m.entries, i, max(i, j))
	return nil
}

func (m *Memory) Scan(from, to []byte, each func(key, value []byte) bool) error {
	i, _ := m.find(from)
	for ; i < len(m.entries) && bytes.Compare(m.entries[i].key, to) < 0; i++ {
		if !each(m.entries[i].key, m.entries[i].value) {
			break
		}
	}
	return nil
}
