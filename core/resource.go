package core

import "fmt"

// ResourceProfile is what a slot offers or a task wants. A zero field means "not specified": a zero profile as a
// requirement is met by any slot.
type ResourceProfile struct {
	CPUMilli    int64 `json:"cpuMilli,omitempty"`    // thousandths of a core
	MemoryBytes int64 `json:"memoryBytes,omitempty"` // whole memory of the share of a worker
}

// Matches tells whether a slot with profile p can serve the requirement want.
func (p ResourceProfile) Matches(want ResourceProfile) bool {
	return p.CPUMilli >= want.CPUMilli && p.MemoryBytes >= want.MemoryBytes
}

func (p ResourceProfile) String() string {
	if p == (ResourceProfile{}) {
		return "any"
	}
	return fmt.Sprintf("cpu %.1f, memory %d MiB", float64(p.CPUMilli)/1000, p.MemoryBytes>>20)
}

// HardwareDescription is what a TaskManager says about its machine when it registers (S-113).
type HardwareDescription struct {
	CPUCores       int   `json:"cpuCores"`
	PhysicalMemory int64 `json:"physicalMemory"` // bytes
	FreeMemory     int64 `json:"freeMemory"`     // bytes
	ManagedMemory  int64 `json:"managedMemory"`  // bytes
}

// IOMetrics are the counters of one attempt of a subtask.
type IOMetrics struct {
	BytesIn             uint64 `json:"bytesIn"`
	BytesOut            uint64 `json:"bytesOut"`
	RecordsIn           uint64 `json:"recordsIn"`
	RecordsOut          uint64 `json:"recordsOut"`
	BusyMillis          int64  `json:"busyMillis"`
	IdleMillis          int64  `json:"idleMillis"`
	BackpressuredMillis int64  `json:"backpressuredMillis"`
}

// Accumulator is the value of one user accumulator, of a subtask or merged over all of a job. Kind names how values
// merge; the value is its JSON text.
type Accumulator struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // "IntCounter", "LongCounter", "LongSum64", "LongMin", "LongMax", "Double", "Histogram", "List"
	Value string `json:"value"`
}
