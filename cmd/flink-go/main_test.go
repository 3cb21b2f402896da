package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flink-go": main})
}

// TestScripts runs the tables of bad inputs (B-01 to B-11) and of what verbs print, in testdata. Nothing here needs a
// cluster; test/e2e has those.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("FLINK_PID_DIR", e.WorkDir+"/pid")
			e.Setenv("FLINK_LOG_DIR", e.WorkDir+"/log")
			e.Setenv("GOCACHE", goCache())
			e.Setenv("GOPATH", os.Getenv("GOPATH"))
			e.Setenv("GOFLAGS", "-mod=mod")
			return nil
		},
		RequireExplicitExec: true,
	})
}

// goCache keeps programs of the scripts from being compiled with a standard library of their own each time.
func goCache() string {
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return dir + "/go-build"
}

func TestNearest(t *testing.T) {
	verbs := []string{"run", "info", "list", "cancel", "stop", "savepoint", "cluster"}
	for word, want := range map[string]string{
		"lsit": "list", "runn": "run", "cancle": "cancel", "savpoint": "savepoint", "clustre": "cluster", "xyzzy": "", "LIST": "list",
	} {
		if got := nearest(word, verbs); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
