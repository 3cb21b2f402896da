//go:build !linux

package cluster

// machineMemory would be what the machine has; only Linux tells without cgo.
func machineMemory() (total, free int64) { return 0, 0 }
