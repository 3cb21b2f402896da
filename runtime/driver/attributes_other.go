//go:build !linux

package driver

import "syscall"

// childAttributes puts a child into a process group of its own, which a signal from the terminal does not reach.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
