// Package e2e runs flink-go's real binaries: clusters of processes, programs sent to them, kill -9, bad inputs. The
// scripts in testdata are testscript files; each has a configuration of its own with free ports, and after each no
// process of it may be left. Build tag e2e: `make e2e`.
package e2e
