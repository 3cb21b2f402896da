package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// eachSyntax visits the syntax of every Go file but those that are generated or need a newer compiler.
func eachSyntax(t *testing.T, visit func(path, pkg string, at func(ast.Node) token.Position, f *ast.File)) {
	t.Helper()
	eachGoFile(t, func(path, pkg string) {
		if strings.HasSuffix(path, ".pb.go") || strings.HasSuffix(path, "_go127.go") {
			return
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		visit(path, pkg, func(n ast.Node) token.Position { return files.Position(n.Pos()) }, f)
	})
}

// uses lists where f names pkg.name, for a package under its own name.
func uses(f *ast.File, pkg string, names ...string) []ast.Node {
	var found []ast.Node
	for n := range ast.Preorder(f) {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(names, s.Sel.Name) {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
				found = append(found, n)
			}
		}
	}
	return found
}

func imports(f *ast.File, path string) bool {
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+path+`"` })
}

// Outside a bubble a sleep guesses how long something takes, and guesses wrong on a busy machine.
func TestSleepsAreInBubbles(t *testing.T) {
	eachSyntax(t, func(_, pkg string, at func(ast.Node) token.Position, f *ast.File) {
		if pkg == "internal/sim" || imports(f, "testing/synctest") {
			return
		}
		for _, n := range uses(f, "time", "Sleep") {
			t.Errorf("%s: time.Sleep in a file without testing/synctest: wait for a condition", at(n))
		}
	})
}

func TestLoggersAreInjected(t *testing.T) {
	eachSyntax(t, func(_, _ string, at func(ast.Node) token.Position, f *ast.File) {
		for _, n := range uses(f, "slog", "Default", "SetDefault") {
			t.Errorf("%s: take a *slog.Logger", at(n))
		}
	})
}

var naked = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// What is left to do is an issue, where it can be found, discussed and closed.
func TestNoNotesToSelf(t *testing.T) {
	eachSyntax(t, func(_, _ string, at func(ast.Node) token.Position, f *ast.File) {
		for _, g := range f.Comments {
			if what := naked.FindString(g.Text()); what != "" {
				t.Errorf("%s: %s: open an issue", at(g), what)
			}
		}
	})
}

// A package that starts goroutines shows in its tests that it waits for them (no goroutine outlives its owner).
func TestGoroutinesAreCounted(t *testing.T) {
	starts, counts, tested := map[string]token.Position{}, map[string]bool{}, map[string]bool{}
	eachSyntax(t, func(path, pkg string, at func(ast.Node) token.Position, f *ast.File) {
		tested[pkg] = tested[pkg] || strings.HasSuffix(path, "_test.go")
		// Scripts run the program as processes of their own, and its goroutines end with them.
		counts[pkg] = counts[pkg] || len(uses(f, "goleak", "VerifyTestMain")) > 0 || len(uses(f, "testscript", "Main")) > 0
		for n := range ast.Preorder(f) {
			switch n := n.(type) {
			case *ast.GoStmt:
				starts[pkg] = at(n)
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
					starts[pkg] = at(n)
				}
			}
		}
	})
	for _, pkg := range slices.Sorted(maps.Keys(starts)) {
		if tested[pkg] && !counts[pkg] && pkg != "test/e2e" { // which watches processes from outside
			t.Errorf("%s starts goroutines (%s:%d), and its TestMain does not call goleak.VerifyTestMain", pkg, filepath.Base(starts[pkg].Filename), starts[pkg].Line)
		}
	}
}
