package lines

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func all(t testing.TB, s *Scanner) []string {
	t.Helper()
	var got []string
	for {
		line, err := s.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("long", ChunkSize)
	for _, tc := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"one", "a\n", []string{"a"}},
		{"no end", "a\nb", []string{"a", "b"}},
		{"crlf", "a\r\n\r\nb\r", []string{"a", "", "b"}},
		{"only ends", "\n\n\n", []string{"", "", ""}},
		{"over chunks", "x\n" + long + "\ny\n" + long, []string{"x", long, "y", long}},
		{"invalid utf-8", "\xff\xfe\n\x00\n", []string{"\xff\xfe", "\x00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"whole": strings.NewReader(tc.in), "halves": iotest.HalfReader(strings.NewReader(tc.in)),
				"error with data": iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				if got := all(t, NewScanner(src, 0, int64(len(tc.in)), 0)); !slices.Equal(got, tc.want) {
					t.Errorf("%s: got %d lines, want %d", name, len(got), len(tc.want))
				}
			}
		})
	}
}

// TestLongLine holds B-70: a line over the limit is an error at its place, and does not cost memory of its size.
func TestLongLine(t *testing.T) {
	in := "ab\n" + strings.Repeat("x", 3*ChunkSize) + "\ncd\n" + strings.Repeat("y", 2000) + "\nef"
	s := NewScanner(strings.NewReader(in), 100, 0, 1000)
	var got []string
	var places []int64
	for {
		line, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if tooLong, ok := errors.AsType[*TooLongError](err); ok {
			if tooLong.Limit != 1000 {
				t.Error(tooLong)
			}
			line = "?"
		} else if err != nil {
			t.Fatal(err)
		}
		got, places = append(got, line), append(places, s.Offset())
	}
	at := func(sub string) int64 { return int64(strings.Index(in, sub)) + 100 }
	if want := []string{"ab", "?", "cd", "?", "ef"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
	if want := []int64{100, at("xx"), at("cd"), at("yy"), at("ef")}; !slices.Equal(places, want) {
		t.Errorf("places %d, want %d", places, want)
	}
}

func TestReadErrorKeepsTheLinesBeforeIt(t *testing.T) {
	broken := errors.New("broken")
	s := NewScanner(io.MultiReader(strings.NewReader("a\nb\nhalf"), iotest.ErrReader(broken)), 0, 0, 0)
	for _, want := range []string{"a", "b"} {
		if line, err := s.Next(); line != want || err != nil {
			t.Fatal(line, err)
		}
	}
	if _, err := s.Next(); !errors.Is(err, broken) || s.Offset() != 8 {
		t.Fatal(err, s.Offset())
	}
}

// FuzzRanges holds that ranges of a text have each of its lines once, wherever it is cut.
func FuzzRanges(f *testing.F) {
	f.Add("a\nbb\r\n\nccc", 3, 5)
	f.Add("\n\n", 1, 1)
	f.Add("a", 0, 1)
	f.Fuzz(func(t *testing.T, in string, a, b int) {
		n := len(in)
		a, b = min(max(a, 0), n), min(max(b, 0), n)
		cuts := []int{0, min(a, b), max(a, b), n}
		var got []string
		for i := range 3 {
			from, to := cuts[i], cuts[i+1]
			if from == to {
				continue
			}
			start := max(from-1, 0)
			s := NewScanner(strings.NewReader(in[start:]), int64(start), int64(to-start), 0)
			s.Until(int64(to))
			if from > 0 {
				s.SkipLine()
			}
			got = append(got, all(t, s)...)
		}
		var want []string
		for sc := bufio.NewScanner(strings.NewReader(in)); sc.Scan(); {
			want = append(want, sc.Text())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("cut at %d: got %q, want %q", cuts, got, want)
		}
	})
}

func TestLinesAreNotAllocated(t *testing.T) {
	in := bytes.Repeat([]byte("to be or not to be\n"), 10_000)
	s := NewScanner(bytes.NewReader(in), 0, int64(len(in)), 0)
	if n := testing.AllocsPerRun(9_000, func() {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per line", n)
	}
}

func BenchmarkLines(b *testing.B) {
	in := bytes.Repeat([]byte("It was the best of times, it was the worst of times, it was the age of\n"), 100_000)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		s := NewScanner(bytes.NewReader(in), 0, int64(len(in)), 0)
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
