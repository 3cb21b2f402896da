package stdio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type count struct {
	Word string
	N    int
}

func printed[T any](t *testing.T, parallelism int, values ...T) string {
	t.Helper()
	var out bytes.Buffer
	p := newPrinter[T](&out, parallelism-1, parallelism)
	for i := range values {
		if err := p.Write(&values[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("%q was written before the flush", &out)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPrint(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{printed(t, 1, "a", "b"), "a\nb\n"},
		{printed(t, 3, "a", "b"), "3> a\n3> b\n"},
		{printed(t, 1, 1, -2), "1\n-2\n"},
		{printed(t, 1, int64(7)), "7\n"},
		{printed(t, 1, count{"to", 2}), "{Word:to N:2}\n"},
		{printed(t, 1, []int{1, 2}), "[1 2]\n"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

// TestLinesDoNotMix lets two subtasks print to one file.
func TestLinesDoNotMix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			p := newPrinter[string](out, i, 2)
			line := strings.Repeat("x", 99)
			for range 2000 {
				if err := p.Write(&line); err != nil {
					t.Error(err)
				}
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, l := range lines {
		if len(l) != 102 {
			t.Fatalf("%q", l)
		}
	}
	if len(lines) != 4000 {
		t.Errorf("%d lines", len(lines))
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestClosedOutput holds B-49.
func TestClosedOutput(t *testing.T) {
	p := newPrinter[string](closed{}, 0, 1)
	line := "a"
	if err := p.Write(&line); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestStringsDoNotAllocate(t *testing.T) {
	p := newPrinter[string](&bytes.Buffer{}, 0, 2)
	line := "a line of text"
	if err := p.Write(&line); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(500, func() {
		if err := p.Write(&line); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per line", n)
	}
}

func TestSinks(t *testing.T) {
	for name, sink := range map[string]func() error{
		"Print": func() error {
			return connectortest.Write(t, Print[string], connectortest.Place{}, []string{"printed"}, connectortest.Ending{})
		},
		"PrintErr": func() error {
			return connectortest.Write(t, PrintErr[string], connectortest.Place{}, []string{"printed"}, connectortest.Ending{})
		},
	} {
		if err := sink(); err != nil {
			t.Error(fmt.Errorf("%s: %w", name, err))
		}
	}
}
