package driver

import "syscall"

// childAttributes puts a child into a process group of its own, which a signal from the terminal does not reach, and
// ends it with this process.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
