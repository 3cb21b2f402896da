// Command jobmanager runs a JobManager: Dispatcher, ResourceManager, REST API and dashboard (S-076, DC-03).
//
//	jobmanager [-D key=value]... [--configDir dir]
package main

import (
	"os"

	"github.com/flink-go/flink-go/runtime/cluster"
)

func main() { os.Exit(cluster.JobManagerMain(os.Args[1:], os.Environ(), os.Stderr)) }
