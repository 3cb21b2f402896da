//go:build race

package process

// raceEnabled tells that the race detector is in: its shadow memory does not fit under a memory limit.
const raceEnabled = true
