package pebble

import (
	"testing"

	"github.com/flink-go/flink-go/graph/keyed"
	"github.com/flink-go/flink-go/graph/keyed/keyedtest"
)

func openDisk(t testing.TB, memory int64) *Disk {
	t.Helper()
	d, err := Open(Config{Dir: t.TempDir(), Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func openStore(t testing.TB, d *Disk) *Store {
	t.Helper()
	s, err := d.Store(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestConformance runs on one store, which is emptied for each test: to open one takes longer than a test.
func TestConformance(t *testing.T) {
	s := openStore(t, openDisk(t, 32<<20))
	keyedtest.Run(t, func(t testing.TB) keyed.KeyValue {
		if err := s.DeleteRange([]byte{0}, []byte{0xff}); err != nil {
			t.Fatal(err)
		}
		return s
	})
}
