package datagen

import (
	"slices"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

func same(n uint64) uint64 { return n }

// TestEachNumberOnce holds at any parallelism.
func TestEachNumberOnce(t *testing.T) {
	for _, p := range []int{1, 2, 7} {
		res, err := connectortest.Read(t, Generate(same, Count(1000)), p, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, records := range res.Subtasks {
			for _, r := range records {
				if r.Value%uint64(p) != uint64(i) || r.Time != stream.NoTimestamp {
					t.Fatalf("subtask %d of %d made %d at %d", i, p, r.Value, r.Time)
				}
			}
		}
		got := res.Values()
		slices.Sort(got)
		if len(got) != 1000 || got[0] != 0 || got[999] != 999 || len(slices.Compact(got)) != 1000 {
			t.Errorf("parallelism %d: %d records", p, len(got))
		}
	}
}

func TestFewerRecordsThanSubtasks(t *testing.T) {
	res, err := connectortest.Read(t, GenerateRef(func(n uint64, v *int) { *v = int(n) }, Count(2)), 4, 0)
	if err != nil || len(res.Values()) != 2 {
		t.Error(err, res.Values())
	}
}

func TestUnboundedUntilStopped(t *testing.T) {
	src := Generate(same)
	if src.Bounded {
		t.Error("bounded without Count")
	}
	res, err := connectortest.Read(t, src, 2, 5000)
	if err != nil || len(res.Values()) < 5000 {
		t.Error(err, len(res.Values()))
	}
}

// TestRate holds that records come when they are due and carry that moment.
func TestRate(t *testing.T) {
	type rec struct {
		n   uint64
		due time.Time
	}
	src := GenerateDue(func(n uint64, due time.Time, v *rec) { *v = rec{n, due} }, Count(3001), Rate(1000))
	res, err := connectortest.Read(t, src, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, records := range res.Subtasks {
		for _, r := range records {
			want := connectortest.Start.Add(time.Duration(r.Value.n) * time.Millisecond)
			if !r.Value.due.Equal(want) || r.Time != want.UnixMilli() {
				t.Fatalf("record %d was due at %v with event time %d, want %v", r.Value.n, r.Value.due, r.Time, want)
			}
		}
	}
	if took := res.Now.Sub(connectortest.Start); len(res.Values()) != 3001 || took != 3*time.Second {
		t.Errorf("%d records in %v", len(res.Values()), took)
	}
}

func TestDueWithoutRateIsNow(t *testing.T) {
	res, err := connectortest.Read(t, GenerateDue(func(_ uint64, due time.Time, v *time.Time) { *v = due }, Count(1)), 1, 0)
	if err != nil || !res.Values()[0].Equal(connectortest.Start) {
		t.Error(err, res.Values())
	}
}

func TestBadRate(t *testing.T) {
	if got := Generate(same, Rate(-1)).Faults; len(got) != 1 || got[0] != "rate -1: want more than 0 records a second" {
		t.Error(got)
	}
}

func BenchmarkNext(b *testing.B) {
	var r stream.Reader[[10]uint64] = &valueReader[[10]uint64]{sequence{0, 1, 1 << 63}, func(n uint64) [10]uint64 { return [10]uint64{n} }}
	v := new([10]uint64)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Next(v); err != nil {
			b.Fatal(err)
		}
	}
}
