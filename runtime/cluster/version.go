package cluster

import "runtime/debug"

// Version is that of flink-go in this binary, as the Go toolchain wrote it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == "github.com/flink-go/flink-go" {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/flink-go/flink-go" {
			return dep.Version
		}
	}
	return ""
}
