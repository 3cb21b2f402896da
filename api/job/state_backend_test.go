package job_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/datagen"
)

// TestStateBackends: a job gives the same result with its state in memory and on disk, also if memory has room for a
// small part of it only; and nothing is left on disk.
func TestStateBackends(t *testing.T) {
	const records, keys = 120_000, 40_000
	for _, backend := range []stream.StateBackend{stream.HashMap, stream.Pebble} {
		dir := t.TempDir()
		t.Setenv("FLINKGO_STATE_BACKEND_PEBBLE_LOCALDIR", dir)
		t.Setenv("FLINKGO_TASKMANAGER_MEMORY_MANAGED_SIZE", "8 mb")
		var mu sync.Mutex
		got := map[string]int64{}
		stores := 0
		_, err := job.Execute(t.Context(), string(backend), func(env *stream.Env) {
			env.StateBackend(backend).RuntimeMode(stream.Batch).Parallelism(2)
			numbers := stream.From(env, datagen.Generate(func(n uint64) uint64 { return n }, datagen.Count(records)))
			name := func(n uint64) string { return fmt.Sprintf("the key of a record, number %d", n*7919%keys) }
			counts := stream.Count(stream.KeyBy(numbers, name)).UID("count")
			stream.ForEach(counts, func(c stream.Pair[string, int64]) error {
				mu.Lock()
				defer mu.Unlock()
				if got[strings.Clone(c.Key)]++; c.Value != records/keys {
					return fmt.Errorf("%q has %d records, want %d", c.Key, c.Value, records/keys)
				}
				if stores == 0 {
					list, err := filepath.Glob(filepath.Join(dir, "flink-go-state-*", "*Count*"))
					stores = len(list)
					return err
				}
				return nil
			})
		})
		if err != nil {
			t.Fatalf("%s: %v", backend, err)
		}
		for key, n := range got {
			if n != 1 {
				t.Errorf("%s: %q came %d times", backend, key, n)
			}
		}
		if len(got) != keys {
			t.Errorf("%s: %d keys, want %d", backend, len(got), keys)
		}
		if onDisk := stores > 0; onDisk != (backend == stream.Pebble) {
			t.Errorf("%s: %d stores on disk", backend, stores)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left on disk: %v, %v", backend, left, err)
		}
	}
}
