//go:build !linux

package cluster

// portUser would say which process listens on a port; only Linux tells.
func portUser(int) string { return "" }
