package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// program is a binary to run, and how to get rid of it if it was built for this run.
type program struct {
	path    string
	cleanup func()
}

// findProgram returns the binary of a program that is given as a package directory, a .go file or a binary; a
// program in source is built. pick chooses a package within a directory (-c).
func findProgram(ctx context.Context, path, pick string, errOut io.Writer) (program, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return program{}, usage("The program does not exist: %s", path)
	} else if err != nil {
		return program{}, usage("The program cannot be read: %v", err)
	}
	switch {
	case info.IsDir():
		dir := path
		if pick != "" {
			dir = filepath.Join(path, pick)
		}
		if err := checkMain(dir); err != nil {
			return program{}, err
		}
		return build(ctx, dir, ".", errOut)
	case pick != "":
		return program{}, usage("-c picks a package within a directory, but %s is a file", path)
	case strings.HasSuffix(path, ".go"):
		return build(ctx, filepath.Dir(path), filepath.Base(path), errOut)
	case info.Size() == 0:
		return program{}, usage("The program %s is empty", path)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return program{}, usage("The program %s is neither a package directory, nor a .go file, nor an executable binary", path)
	}
	abs, err := filepath.Abs(path)
	return program{abs, func() {}}, err
}

// checkMain refuses a directory that holds no program, and lists the programs below it (B-03).
func checkMain(dir string) error {
	name, err := packageName(dir)
	if err != nil {
		return usage("%v", err)
	}
	if name == "main" {
		return nil
	}
	what := "has no Go files"
	if name != "" {
		what = fmt.Sprintf("holds package %s, which is not a program", name)
	}
	mains := mainsBelow(dir)
	switch len(mains) {
	case 0:
		return usage("%s %s", dir, what)
	case 1:
		return usage("%s %s; choose the program below it with -c %s", dir, what, mains[0])
	default:
		return usage("%s %s; choose one of the programs below it with -c:\n  %s", dir, what, strings.Join(mains, "\n  "))
	}
}

// packageName reads the package clause of the first Go file in dir that is no test; "" when there is none.
func packageName(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.PackageClauseOnly)
		if err != nil {
			continue // the compiler says it better
		}
		return f.Name.Name, nil
	}
	return "", nil
}

// mainsBelow lists the programs in the folders below dir, some of them if there are many.
func mainsBelow(dir string) []string {
	const limit = 20
	var mains []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // what cannot be read holds nothing to offer
		}
		if name := d.Name(); path != dir && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "vendor") {
			return fs.SkipDir
		}
		if name, _ := packageName(path); name == "main" {
			if rel, err := filepath.Rel(dir, path); err == nil {
				mains = append(mains, "./"+rel)
			}
		}
		if len(mains) == limit {
			return fs.SkipAll
		}
		return nil
	})
	slices.Sort(mains)
	return mains
}

// build compiles the program at target, seen from dir, into a static binary in a folder of its own. What the
// compiler has to say goes to errOut as it is (B-04).
func build(ctx context.Context, dir, target string, errOut io.Writer) (program, error) {
	tmp, err := os.MkdirTemp("", "flink-go-build-")
	if err != nil {
		return program{}, fmt.Errorf("make a folder for the binary: %w", err)
	}
	remove := func() { _ = os.RemoveAll(tmp) }
	abs, err := filepath.Abs(filepath.Join(dir, target))
	if err != nil {
		remove()
		return program{}, err
	}
	out := filepath.Join(tmp, strings.TrimSuffix(filepath.Base(abs), ".go"))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, target)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	if err == nil {
		return program{out, remove}, nil
	}
	remove()
	if errors.Is(err, exec.ErrNotFound) {
		return program{}, errors.New("the program is given as source, but there is no go command in PATH to build it with")
	}
	_, _ = errOut.Write(said.Bytes())
	return program{}, fmt.Errorf("the program at %s does not build: %w", filepath.Join(dir, target), err)
}
