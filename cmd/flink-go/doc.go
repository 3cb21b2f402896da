// Command flink-go runs programs on clusters and looks after both: run, info, list, cancel, stop, savepoint, cluster,
// config, logs.
//
// There is a file per verb. A verb reads its flags, calls api/rest or runtime/cluster, and prints; what it prints
// follows Apache Flink's command where that has the verb, so that scripts go on working. Exit codes: 0 success,
// 1 failure, 2 wrong usage, 130 interrupted. See docs/cli.md.
package main
