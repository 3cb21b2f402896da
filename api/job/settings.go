package job

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/flink-go/flink-go/conf"
)

// jobKeys are the beginnings of the keys that shape a job's graph, which a worker therefore has to know.
func jobKeys() []string {
	return []string{"parallelism.", "pipeline.", "execution.", "restart-strategy.", "jobmanager.execution."}
}

// settle fills in what the file and the environment say about jobs, under what the client gave for this one. A worker
// has been told by its client: the configuration of the machine it runs on must not change the graph.
func (r *role) settle() error {
	if r.name == "worker" {
		return nil
	}
	environ := os.Environ()
	defines := make([]string, 0, len(r.settings))
	for _, k := range slices.Sorted(maps.Keys(r.settings)) {
		defines = append(defines, k+"="+r.settings[k])
	}
	c, err := conf.Load(conf.Dir(environ), environ, defines)
	if err != nil {
		return err
	}
	r.conf = c
	for k, v := range c.Settings() {
		if slices.ContainsFunc(jobKeys(), func(prefix string) bool { return strings.HasPrefix(k, prefix) }) {
			r.settings[k] = v
		}
	}
	if r.name == "" {
		r.settleEmbedded(c)
	}
	return nil
}

// settleEmbedded sets what suits a program that runs by itself: it has the machine for itself and uses all of it, and
// somebody waits in front of it, so that a failure is shown rather than tried again.
func (r *role) settleEmbedded(c *conf.Config) {
	if _, set := conf.ParallelismDefault.Lookup(c); !set {
		r.settings[conf.ParallelismDefault.Key] = strconv.Itoa(runtime.GOMAXPROCS(0))
	}
	if _, set := conf.RestartStrategyType.Lookup(c); !set {
		r.settings[conf.RestartStrategyType.Key] = "none"
	}
}

// asksForREST tells whether the settings of this job name a port for REST.
func (r *role) asksForREST() bool {
	_, port := r.settings[conf.RestPort.Key]
	_, bind := r.settings[conf.RestBindPort.Key]
	return port || bind
}
