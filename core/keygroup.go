package core

// DefaultMaxParallelism is the number of key groups of a job that sets none, and the least one, as Flink's.
const DefaultMaxParallelism = 128

// UpperMaxParallelism is the largest number of key groups (SEC-22), as Flink's.
const UpperMaxParallelism = 1 << 15

// KeyGroup maps the hash of a key to its key group in [0, maxParallelism). It takes the upper 32 bits: the lower
// ones choose the place in a state table, so that the two are independent.
func KeyGroup(hash uint64, maxParallelism int) int {
	return int(hash >> 32 * uint64(maxParallelism) >> 32)
}

// SubtaskOfKeyGroup tells which of parallelism subtasks owns a key group: Flink's assignment by whole ranges.
func SubtaskOfKeyGroup(keyGroup, maxParallelism, parallelism int) int {
	return keyGroup * parallelism / maxParallelism
}

// KeyGroupRange is the half-open range [From, To) of key groups that a subtask owns.
type KeyGroupRange struct{ From, To int }

// KeyGroupsOf returns the key groups that subtask owns; SubtaskOfKeyGroup is its inverse.
func KeyGroupsOf(subtask, maxParallelism, parallelism int) KeyGroupRange {
	return KeyGroupRange{
		From: (subtask*maxParallelism + parallelism - 1) / parallelism,
		To:   ((subtask+1)*maxParallelism + parallelism - 1) / parallelism,
	}
}

// DefaultMaxParallelismFor is the number of key groups of an operator of this parallelism that sets none: as Flink,
// 1.5 times the parallelism rounded up to a power of two, within [128, 32768].
func DefaultMaxParallelismFor(parallelism int) int {
	n := DefaultMaxParallelism
	for n < parallelism+parallelism/2 && n < UpperMaxParallelism {
		n *= 2
	}
	return n
}
