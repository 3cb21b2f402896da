package conf

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/flink-go/flink-go/core"
)

// CheckListeners refuses addresses that others than this machine can reach, unless security.insecure allows it
// (SEC-01). A process that opens listeners calls it before it does; options are those whose address it will bind.
func (c *Config) CheckListeners(options ...Option[string]) error {
	if SecurityInsecure.Get(c) {
		return nil
	}
	var faults []error
	for _, o := range options {
		if host := o.Get(c); !isLoopback(host) {
			faults = append(faults, Fault{c.show(o), fmt.Sprintf(
				"an address of this machine alone (localhost): there is no authentication between processes; set %s: true to bind it all the same", SecurityInsecure.Key)})
		}
	}
	if len(faults) > 0 {
		return core.E("check listeners", core.Invalid, "", errors.Join(faults...))
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// BadDir is the error of a directory of an option that cannot be used, with what is configured (B-17).
func (c *Config) BadDir(o definition, err error) error {
	return Fault{c.show(o), fmt.Sprintf("a directory that can be used: %v", err)}
}

// BadWorkingDir is the error of WorkingDir when it cannot be used.
func (c *Config) BadWorkingDir(err error) error {
	if ProcessWorkingDir.Get(c) != "" {
		return c.BadDir(ProcessWorkingDir, err)
	}
	return c.BadDir(IOTmpDirs, err)
}

// TmpDirs are the scratch directories: io.tmp.dirs, or the system's.
func (c *Config) TmpDirs() []string {
	if dirs := IOTmpDirs.Get(c); len(dirs) > 0 {
		return dirs
	}
	return []string{os.TempDir()}
}

// WorkingDir is the base folder for what a process keeps: process.working-dir, or the first scratch directory.
func (c *Config) WorkingDir() string {
	if dir := ProcessWorkingDir.Get(c); dir != "" {
		return dir
	}
	return c.TmpDirs()[0]
}
