package cluster

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/runtime/driver"
)

// newDriver makes the driver that the configuration names. rpcAddress is where TaskManagers find this JobManager.
func newDriver(c *conf.Config, log *slog.Logger, rpcAddress string, dir *workDir) (driver.Driver, error) {
	if conf.ResourceManagerDriver.Get(c) != "process" {
		return driver.Standalone{}, nil
	}
	command, err := taskManagerCommand()
	if err != nil {
		return nil, err
	}
	logDir := conf.EnvLogDir.Get(c)
	if logDir == "" {
		if logDir, err = dir.sub("log"); err != nil {
			return nil, err
		}
	}
	environ, err := taskManagerEnviron(c, rpcAddress, logDir)
	if err != nil {
		return nil, err
	}
	return driver.NewProcess(driver.ProcessConfig{
		Worker:  driver.Worker{Slots: conf.TaskManagerNumberOfTaskSlots.Get(c)},
		Command: command,
		Env:     environ,
		LogDir:  logDir,
		Log:     log,
	})
}

// taskManagerCommand runs a TaskManager: flink-go has it as a verb, the command jobmanager has it beside it.
func taskManagerCommand() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, core.E("find own binary", core.Internal, "", err)
	}
	if filepath.Base(self) == "jobmanager" {
		return []string{filepath.Join(filepath.Dir(self), "taskmanager")}, nil
	}
	return []string{self, "taskmanager"}, nil
}

// taskManagerEnviron is the environment of a TaskManager that this JobManager starts: the configuration that is in
// force here, whatever it came from, and no variable that could change it. It is not in the arguments, which every
// user of the machine can read (SEC-18).
func taskManagerEnviron(c *conf.Config, rpcAddress, logDir string) ([]string, error) {
	host, port, err := net.SplitHostPort(rpcAddress)
	if err != nil {
		return nil, core.E("configure TaskManagers", core.Internal, rpcAddress, err)
	}
	settings := c.Settings()
	settings[conf.JobManagerRPCAddress.Key] = host
	settings[conf.JobManagerRPCPort.Key] = port
	settings[conf.TaskManagerResourceID.Key] = "{id}"
	settings[conf.TaskManagerLogPath.Key] = filepath.Join(logDir, "{id}.log")
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s: %s\n", k, settings[k])
	}
	environ := slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return strings.HasPrefix(name, "FLINK_") || strings.HasPrefix(name, conf.EnvPrefix) || name == "ROOT_LOG_LEVEL" || name == "MAX_LOG_FILE_NUMBER"
	})
	return append(environ, "FLINK_PROPERTIES="+b.String()), nil
}
