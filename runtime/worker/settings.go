package worker

import (
	"github.com/flink-go/flink-go/conf"
)

// settings is what a worker takes from the configuration of its TaskManager.
type settings struct {
	segmentSize    int    // bytes
	stateBackend   string // of jobs that choose none
	stateDir       string // "": a temporary directory
	managedPerSlot int64  // bytes
}

// settingKeys are the keys behind settings. A worker gets no others: what protects the cluster is not for the
// programs that run on it.
var settingKeys = [...]string{
	conf.TaskManagerMemorySegmentSize.Key,
	conf.StateBackendType.Key,
	conf.StateBackendPebbleLocalDir.Key,
	conf.TaskManagerMemoryManagedSize.Key,
	conf.TaskManagerMemoryManagedFraction.Key,
	conf.TaskManagerMemoryProcessSize.Key,
	conf.TaskManagerNumberOfTaskSlots.Key,
}

// Settings picks from the configuration of a TaskManager, in flat keys, what its workers need to know.
func Settings(all map[string]string) map[string]string {
	picked := make(map[string]string)
	for _, k := range settingKeys {
		if v, ok := all[k]; ok {
			picked[k] = v
		}
	}
	return picked
}

func readSettings(from map[string]string) (settings, error) {
	c, err := conf.Default().With(Settings(from), "TaskManager")
	if err != nil {
		return settings{}, err
	}
	return settings{
		segmentSize:    int(conf.TaskManagerMemorySegmentSize.Get(c)),
		stateBackend:   conf.StateBackendType.Get(c),
		stateDir:       conf.StateBackendPebbleLocalDir.Get(c),
		managedPerSlot: int64(c.ManagedMemoryPerSlot()),
	}, nil
}
