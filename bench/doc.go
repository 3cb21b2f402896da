// Command bench runs flink-go beside Apache Flink on the same workloads, pair by pair in one run, and checks every
// result: a run whose checksum is wrong has no figure.
//
//	go run ./bench -flink-home DIR -peer DIR [flags] WORKLOAD...
//
// WORKLOAD is a query of Nexmark (q0, q1, q2, q3, q5, q5panes, q7, q8, q11, q18, q20), wordcount, latency, start or
// scale. The peer directory holds the same workloads as programs for Flink with their bench.sh; without -flink-home
// only flink-go runs. One JSON line per run goes to -out, tables with medians, and with ratios beside the bars that
// they should reach, to standard output. docs/benchmarks.md holds figures and the commands that made them.
package main
