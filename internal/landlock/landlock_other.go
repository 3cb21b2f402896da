//go:build !linux

package landlock

import "errors"

var errSystem = errors.New("landlock is of Linux only")

func firstThread() bool { return false }

// ReadOnlyThread does not work on this system.
func ReadOnlyThread() error { return errSystem }

// ScopeThread does not work on this system.
func ScopeThread() error { return errSystem }
