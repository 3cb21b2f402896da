package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/flink-go/flink-go"

// layers lists, for each package (or tree, with a trailing slash), which packages of the project it may import.
// A longer name wins over a shorter one. A package that is not here fails the test: say where it belongs.
var layers = map[string][]string{
	"core":           {},
	"graph/codec":    {"core"},
	"graph/keyed":    {"core", "graph/codec"},
	"graph/operator": {"core", "graph/codec", "graph/keyed", "internal/frame"},
	"graph":          {"core", "graph/operator"},
	"conf":           {"core"},
	"rpc":            {"core", "rpc/proto"},
	"rpc/proto":      {},
	"rpc/wire":       {"core", "rpc", "rpc/proto"},
	"slots":          {"core"},
	"scheduler":      {"core", "graph", "slots"},

	"runtime":                 {},
	"runtime/blob":            {"core", "rpc", "rpc/proto"},
	"runtime/metrics":         {"core", "rpc", "rpc/proto"},
	"runtime/network":         {"core", "graph", "graph/operator", "internal/frame", "rpc/proto"},
	"runtime/task":            {"core", "graph", "graph/keyed", "graph/operator", "runtime/network", "rpc/proto"},
	"runtime/state/":          {"core", "graph/codec", "graph/keyed"},
	"runtime/driver":          {"core", "slots"},
	"runtime/worker":          {"core", "conf", "graph", "graph/operator", "rpc", "rpc/proto", "runtime/network", "runtime/task"},
	"runtime/dispatcher":      {"core", "graph", "rpc", "rpc/proto", "scheduler", "runtime/jobmaster"},
	"runtime/resourcemanager": {"core", "rpc", "rpc/proto", "slots", "runtime/driver"},
	"runtime/jobmaster":       {"core", "graph", "rpc", "rpc/proto", "scheduler", "slots"},
	"runtime/taskexecutor":    {"core", "graph", "rpc", "rpc/proto", "slots", "runtime/worker"},
	// The child-process implementation of the TaskExecutor's Workers.
	"runtime/taskexecutor/process": {"core", "graph", "rpc", "rpc/proto", "internal/landlock", "runtime/blob", "runtime/taskexecutor", "runtime/worker"},
	"runtime/cluster": {"core", "conf", "graph", "rpc", "rpc/proto", "rpc/wire", "web", "runtime/blob", "runtime/metrics", "runtime/dispatcher",
		"runtime/resourcemanager", "runtime/jobmaster", "runtime/taskexecutor", "runtime/taskexecutor/process", "runtime/worker", "runtime/driver", "scheduler", "slots"},

	"api":        {},
	"api/stream": {"core", "graph", "graph/codec", "graph/keyed", "graph/operator", "api/stream/state", "rpc/proto"},
	// Descriptors of state, which the functions of a program declare.
	"api/stream/state":  {"core", "graph/codec", "graph/keyed"},
	"api/stream/window": {"core", "graph/codec", "graph/keyed", "graph/operator", "api/stream", "api/stream/state"},
	"api/rest":          {"core", "conf", "graph"},

	"api/stream/streamtest": {"core", "graph", "graph/operator", "api/stream", "rpc/proto"},
	"api/job":               {"core", "conf", "graph", "rpc", "rpc/proto", "api/stream", "api/rest", "runtime/cluster", "runtime/state/pebble", "runtime/task", "runtime/worker"},

	"connectors/": {"core", "graph/operator", "api/stream", "connectors/internal/"},
	"web":         {"core", "conf", "graph", "api/rest", "rpc", "rpc/proto", "scheduler", "runtime/blob", "internal/landlock"},
	"cmd/":        {"core", "conf", "graph", "api/rest", "runtime/cluster"},
	"examples/":   {"api/stream", "api/stream/state", "api/stream/window", "api/job", "connectors/", "examples/internal/result"},
	"internal/":   {"core"},
	"test/":       {"core", "api/rest", "api/job", "api/stream", "connectors/"},
	"bench/":      {"core", "api/rest"},

	// Kits that only tests import.
	"graph/keyed/keyedtest":             {"core", "graph/codec", "graph/keyed"},
	"connectors/internal/connectortest": {"core", "graph", "graph/operator", "rpc/proto", "api/stream"},
	"internal/sim": {"core", "graph", "graph/operator", "rpc", "rpc/proto", "slots", "runtime/dispatcher", "runtime/jobmaster",
		"runtime/resourcemanager", "runtime/taskexecutor"},
}

// allowed finds the rule of a package.
func allowed(pkg string) ([]string, bool) {
	if l, ok := layers[pkg]; ok {
		return l, true
	}
	best := ""
	for k := range layers {
		if strings.HasSuffix(k, "/") && strings.HasPrefix(pkg+"/", k) && len(k) > len(best) {
			best = k
		}
	}
	l, ok := layers[best]
	return l, ok
}

// Tests may import more: this serves tests only.
var testOnly = []string{"internal/sim"}

func eachGoFile(t *testing.T, visit func(path, pkg string)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "tools" || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			visit(path, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	eachGoFile(t, func(path, pkg string) {
		test := strings.HasSuffix(path, "_test.go")
		may, ok := allowed(pkg)
		if !ok {
			t.Errorf("%s: package %s has no place in the table of layers", path, pkg)
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		for _, imp := range f.Imports {
			to, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module+"/")
			if !ours || test || to == pkg {
				continue
			}
			fits := slices.ContainsFunc(may, func(m string) bool {
				return m == to || strings.HasSuffix(m, "/") && strings.HasPrefix(to+"/", m)
			})
			if slices.Contains(testOnly, to) || !fits {
				t.Errorf("%s: %s must not import %s", path, pkg, to)
			}
		}
	})
}

func TestEveryPackageHasADoc(t *testing.T) {
	has := map[string]bool{}
	eachGoFile(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		has[pkg] = has[pkg] || f.Doc != nil
	})
	for pkg, ok := range has {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

// One importer per heavy library, so that a change of library is a change of one package.
func TestSoleImporters(t *testing.T) {
	sole := map[string][]string{
		"github.com/spf13/viper":              {"conf"},
		"github.com/spf13/cobra":              {"cmd/flink-go"},
		"google.golang.org/grpc":              {"rpc/wire", "rpc/proto"},
		"github.com/prometheus/client_golang": {"runtime/metrics"},
		"github.com/hashicorp/raft":           {"runtime/registry"},
		"github.com/cockroachdb/pebble":       {"runtime/state/pebble"},
	}
	eachGoFile(t, func(path, pkg string) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		for _, imp := range f.Imports {
			p := strings.Trim(imp.Path.Value, `"`)
			for lib, only := range sole {
				if (p == lib || strings.HasPrefix(p, lib+"/")) && !slices.Contains(only, pkg) {
					t.Errorf("%s: only %v may import %s", path, only, lib)
				}
			}
		}
	})
}

// The top level that the founding documents ask for (DC-03).
func TestTopLevel(t *testing.T) {
	for _, p := range []string{"go.mod", "cmd/jobmanager", "cmd/taskmanager", "cmd/flink-go", "runtime", "scheduler", "slots", "rpc",
		"connectors", "api", "conf/flink-conf.yaml", "test/e2e"} {
		if _, err := os.Stat(filepath.Join("../..", p)); err != nil {
			t.Errorf("%s is missing: %v", p, err)
		}
	}
}
