//go:build !linux

package network

func newSystemClock() clock { return nil }
