package taskexecutor

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
)

// Config is what a TaskExecutor needs to know and whom it needs. Durations that are zero take their default.
type Config struct {
	Resource    core.ResourceID // name of this TaskManager process, never used by another one
	Endpoint    string          // name under which it is served; "" is "taskexecutor"
	Host        string          // host name of this TaskManager, for people
	DataHost    string          // host name or address at which its workers are reached
	Slots       int             // taskmanager.numberOfTaskSlots
	SlotProfile core.ResourceProfile
	Hardware    core.HardwareDescription
	Memory      int64 // bytes for all workers together, 0: not limited

	MetricsAddress string // RPC server of this process's MetricQueryService, may be empty
	LogDir         string // what ListLogs and ReadLog serve; "" serves nothing
	LogFile        string // own log, a name within LogDir
	OutFile        string // own standard output, a name within LogDir

	// Settings is the effective configuration in flat keys; workers get what concerns them.
	Settings map[string]string

	RegistrationTimeout time.Duration  // taskmanager.registration.timeout, 5 min: then the TaskExecutor gives up
	SlotTimeout         time.Duration  // taskmanager.slot.timeout, 10 s: a slot that no JobMaster takes is freed
	CancellationTimeout time.Duration  // task.cancellation.timeout, 3 min: then the worker of the task is killed
	CallTimeout         time.Duration  // of one RPC, 10 s
	RetryMin, RetryMax  time.Duration  // backoff of a call that is repeated, 20 ms to 5 s
	Random              func() float64 // in [0,1), for the jitter of the backoff; nil: at random

	Service rpc.Service
	// ResourceManagers returns where the ResourceManager may be, the most likely address first. It is asked before
	// each try.
	ResourceManagers func() []rpc.Address
	// Listen binds the data listener of a worker; nil binds a free TCP port of DataHost.
	Listen  func() (net.Listener, error)
	Workers Workers
	Log     *slog.Logger
}

// withDefaults checks the configuration as a whole and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	if c.Resource == "" {
		errs = append(errs, errors.New("the resource id is empty"))
	}
	if c.Slots < 1 {
		errs = append(errs, fmt.Errorf("taskmanager.numberOfTaskSlots is %d, want at least 1", c.Slots))
	}
	if c.Service == nil || c.ResourceManagers == nil || c.Workers == nil || c.Log == nil {
		errs = append(errs, errors.New("one of Service, ResourceManagers, Workers and Log is not set"))
	}
	if len(errs) > 0 {
		return c, core.E("configure task executor", core.Invalid, string(c.Resource), errors.Join(errs...))
	}
	if c.Endpoint == "" {
		c.Endpoint = "taskexecutor"
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Listen == nil {
		host := c.DataHost
		c.Listen = func() (net.Listener, error) { return net.Listen("tcp", net.JoinHostPort(host, "0")) }
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&c.RegistrationTimeout, 5 * time.Minute},
		{&c.SlotTimeout, 10 * time.Second},
		{&c.CancellationTimeout, 3 * time.Minute},
		{&c.CallTimeout, 10 * time.Second},
		{&c.RetryMin, 20 * time.Millisecond},
		{&c.RetryMax, 5 * time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	return c, nil
}
