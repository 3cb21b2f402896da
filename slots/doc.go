// Package slots holds the three pure cores about slots, one per side of a slot's life:
//
//   - Manager, in the ResourceManager: all slots of the cluster and what jobs require of them;
//   - Table, in a TaskExecutor: which of its slots belongs to which job;
//   - Pool, in a JobMaster: the slots that a job was given, and what waits for one.
//
// Each is a plain value that one goroutine, the main goroutine of its endpoint, calls with events and the time; it
// answers with effects that the endpoint carries out in order. None of them knows a clock, a lock or a socket.
//
// An AllocationID is what the three views have in common: it names one gift of a slot to a job, and is never used
// again once that slot was freed. So a late message about an ended allocation can do no harm.
package slots
