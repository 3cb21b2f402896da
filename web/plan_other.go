//go:build !linux

package web

import (
	"errors"
	"os"
	"syscall"
)

func executable(f *os.File) string { return f.Name() }

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func confineThread() error { return errors.New("this system has no confinement of processes") }

func limitChild(int) error { return nil }

func killGroup(p *os.Process) error {
	if err := syscall.Kill(-p.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
