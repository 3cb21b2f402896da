// Command taskmanager runs a TaskManager, which offers slots to a JobManager and runs workers in them (S-076, DC-03).
//
//	taskmanager [-D key=value]... [--configDir dir]
package main

import (
	"os"

	"github.com/flink-go/flink-go/runtime/cluster"
)

func main() { os.Exit(cluster.TaskManagerMain(os.Args[1:], os.Environ(), os.Stderr)) }
