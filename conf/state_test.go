package conf

import (
	"strings"
	"testing"
)

func TestStateBackend(t *testing.T) {
	for flag, want := range map[string]string{
		"":                            "hashmap",
		"state.backend.type=pebble":   "pebble",
		"state.backend=pebble":        "pebble",
		"state.backend.type=HashMap":  "hashmap",
		"state.backend.type=rocksdb":  "pebble",
		"state.backend=RocksDB":       "pebble",
		"taskmanager.memory.size=1gb": "hashmap",
	} {
		var flags []string
		if flag != "" {
			flags = []string{flag}
		}
		c := load(t, "", nil, flags...)
		if got := StateBackendType.Get(c); got != want {
			t.Errorf("%s: %s, want %s", flag, got, want)
		}
		warned := strings.Contains(strings.Join(c.Warnings(), "\n"), "pebble is used")
		if rocks := strings.Contains(strings.ToLower(flag), "rocksdb"); warned != rocks {
			t.Errorf("%s: warnings %q", flag, c.Warnings())
		}
	}
	_, err := Load("", nil, []string{"state.backend.type=filesystem"})
	if err == nil || !strings.Contains(err.Error(), "hashmap, pebble") {
		t.Errorf("an unknown backend: %v", err)
	}
}

func TestManagedMemory(t *testing.T) {
	for flags, want := range map[string]MemorySize{
		"taskmanager.numberOfTaskSlots=4":                                              128 << 20,
		"taskmanager.numberOfTaskSlots=4 taskmanager.memory.managed.size=1gb":          256 << 20,
		"taskmanager.numberOfTaskSlots=4 taskmanager.memory.process.size=10gb":         1 << 30,
		"taskmanager.memory.process.size=1gb taskmanager.memory.managed.fraction=0.25": 256 << 20,
	} {
		if got := load(t, "", nil, strings.Fields(flags)...).ManagedMemoryPerSlot(); got != want {
			t.Errorf("%s: %s, want %s", flags, got, want)
		}
	}
}
