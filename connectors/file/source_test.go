package file

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes files below a new directory and returns it.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

func read[T any](t testing.TB, src stream.Source[T], parallelism int) *connectortest.Result[T] {
	t.Helper()
	res, err := connectortest.Read(t, src, parallelism, 0)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func sorted(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return values
}

// TestLinesFindsFiles holds S-134: a file, a directory, a pattern, compressed or not.
func TestLinesFindsFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"a.txt": "a1\na2\n", "b.txt": "\ufeffb1\r\nb2", "empty.txt": "", ".hidden": "no\n", "sub/c.txt": "c1\n",
		"sub/.git/config": "no\n", "sub/d.log.gz": gzipped(t, "d1\nd2\n"), "sub/e.zst": zstandard(t, "e1\ne2"),
	})
	if err := os.Symlink(filepath.Join(dir, "a.txt"), filepath.Join(dir, "sub/link.txt")); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct {
		name string
		src  stream.Source[string]
		want string
	}{
		{"file", Lines(at("a.txt")), "a1 a2"},
		{"crlf, byte order mark, no last line end", Lines(at("b.txt")), "b1 b2"},
		{"empty", Lines(at("empty.txt")), ""},
		{"hidden by name", Lines(at(".hidden")), "no"},
		{"directory", Lines(dir), "a1 a1 a2 a2 b1 b2 c1 d1 d2 e1 e2"},
		{"flat", Lines(dir, Flat()), "a1 a2 b1 b2"},
		{"pattern", Lines(at("*.txt")), "a1 a2 b1 b2"},
		{"pattern of directories", Lines(at("s?b")), "a1 a2 c1 d1 d2 e1 e2"},
		{"several, one twice", Lines(at("a.txt"), In(at("*.txt"), at("sub/c.txt"))), "a1 a2 b1 b2 c1"},
	} {
		for _, p := range []int{1, 3} {
			t.Run(fmt.Sprint(tc.name, "/", p), func(t *testing.T) {
				got := strings.Join(sorted(read(t, tc.src, p).Values()), " ")
				if got != tc.want {
					t.Errorf("got %q, want %q", got, tc.want)
				}
			})
		}
	}
}

// TestSplitsHaveEachLineOnce cuts texts at every kind of place.
func TestSplitsHaveEachLineOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	var want []string
	for i := range 3000 {
		line := fmt.Sprint(i, strings.Repeat("x", rng.IntN(200)*rng.IntN(2)))
		want = append(want, line)
		text.WriteString(line + []string{"\n", "\r\n"}[rng.IntN(2)])
	}
	files := map[string]string{"big.txt": text.String()}
	for i := range 50 {
		line := fmt.Sprint("small", i)
		want = append(want, line)
		files[fmt.Sprintf("s/%02d.txt", i)] = line
	}
	dir := write(t, files)
	for _, size := range []int64{1, 100, 4096, 1 << 20} {
		if size == 1 {
			dir = write(t, map[string]string{"t": "a\n\nbb\nccc"})
			if got := sorted(read(t, Lines(dir, SplitSize(1)), 2).Values()); strings.Join(got, ",") != ",a,bb,ccc" {
				t.Errorf("split size 1: %q", got)
			}
			dir = write(t, files)
			continue
		}
		res := read(t, Lines(dir, SplitSize(size)), 3)
		if !slices.Equal(sorted(res.Values()), sorted(want)) {
			t.Errorf("split size %d: %d lines, want %d", size, len(res.Values()), len(want))
		}
		if size == 1<<20 && len(res.Splits) != 1 {
			t.Errorf("%d splits for a few small files", len(res.Splits))
		}
		ids := slices.Clone(res.Splits)
		slices.Sort(ids)
		if len(slices.Compact(ids)) != len(res.Splits) {
			t.Errorf("split size %d: ids are not unique", size)
		}
		if again := read(t, Lines(dir, SplitSize(size)), 3); !slices.Equal(again.Splits, res.Splits) {
			t.Errorf("split size %d: other ids at the second discovery", size)
		}
	}
}

func TestLargeFilesAreCutForAllSubtasks(t *testing.T) {
	dir := write(t, map[string]string{"big": strings.Repeat("0123456789abcde\n", 1<<20)})
	if n := len(read(t, Lines(dir), 2).Splits); n != 8 {
		t.Errorf("%d splits of 16 MiB for 2 subtasks, want 8", n)
	}
}

// TestBadInput holds B-70 and B-48: each fault names file and byte offset.
func TestBadInput(t *testing.T) {
	long := strings.Repeat("x", 1000)
	cut := gzipped(t, strings.Repeat("line\n", 10_000))
	dir := write(t, map[string]string{
		"long.txt": "ab\n" + long + "\ncd\n", "utf8.txt": "ok\nbad\xff\nok2\n", "cut.gz": cut[:len(cut)-9],
		"nogz.gz": "plain text", "nozst.zst": "plain text", "bad.jsonl": "{\"N\":1}\nnope\n{\"N\":2}\n",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct {
		name    string
		src     func(opts ...Option) stream.Source[string]
		want    string // of the error
		skipped int64
		lines   int // with Skip
	}{
		{"long line", func(o ...Option) stream.Source[string] { return Lines(at("long.txt"), append(o, LineLimit(100))...) },
			"long.txt, byte 3: line is longer than 100 bytes", 1, 2},
		{"invalid utf-8", func(o ...Option) stream.Source[string] { return Lines(at("utf8.txt"), append(o, ValidUTF8())...) },
			"utf8.txt, byte 3: not valid UTF-8", 1, 2},
		{"cut gzip", func(o ...Option) stream.Source[string] { return Lines(at("cut.gz"), o...) },
			"of the decompressed text: the gzip file is cut short", 1, -1},
		{"no gzip", func(o ...Option) stream.Source[string] { return Lines(at("nogz.gz"), o...) },
			"nogz.gz, byte 0: gzip: invalid header", 1, 0},
		{"no zstd", func(o ...Option) stream.Source[string] { return Lines(at("nozst.zst"), o...) },
			"nozst.zst, byte 0 of the decompressed text", 1, 0},
		{"missing", func(o ...Option) stream.Source[string] { return Lines(at("absent"), o...) },
			"absent: no such file or directory (on ", -1, 0},
		{"no match", func(o ...Option) stream.Source[string] { return Lines(at("*.none"), o...) },
			"no file matches", -1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := connectortest.Read(t, tc.src(), 1, 0)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if tc.skipped < 0 {
				return
			}
			res, err := connectortest.Read(t, tc.src(OnBadRecord(Skip)), 1, 0)
			if err != nil || res.Counter("skippedRecords") != tc.skipped || tc.lines >= 0 && len(res.Values()) != tc.lines {
				t.Errorf("with Skip: %v, %d skipped, %d lines", err, res.Counter("skippedRecords"), len(res.Values()))
			}
		})
	}
}

// TestFilesThatChange holds B-70 for files that are not what was found.
func TestFilesThatChange(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"shrinks", func(path string) error { return os.Truncate(path, 5) }, "shrank to 5 bytes, it had 16"},
		{"goes", os.Remove, "no such file"},
		{"is replaced", func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1000, 0)) }, "the file was replaced"},
		{"grows", func(path string) error { return os.WriteFile(path, []byte("line 1\nline 2\nline 3\nmore\n"), 0o644) }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(write(t, map[string]string{"f": "line 1\nline 2\nli"}), "f")
			src := Lines(path)
			find := src.Enumerate
			src.Enumerate = func(ctx *stream.RuntimeContext, found func(...stream.Split)) error {
				return find(ctx, func(s ...stream.Split) {
					if err := tc.change(path); err != nil {
						t.Error(err)
					}
					found(s...)
				})
			}
			res, err := connectortest.Read(t, src, 1, 0)
			switch {
			case tc.want == "" && (err != nil || strings.Join(res.Values(), ",") != "line 1,line 2,line 3"):
				t.Errorf("%v %q", err, res.Values())
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestFileThatShrinksWhileRead(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"f": strings.Repeat("0123456789abcde\n", 100_000)}), "f")
	src := Lines(path)
	n := 0
	open := src.OpenSplit
	src.OpenSplit = func(ctx *stream.RuntimeContext, s stream.Split) (stream.Reader[string], error) {
		r, err := open(ctx, s)
		return &hook[string]{r, func() {
			if n++; n == 10 {
				if err := os.Truncate(path, 300_000); err != nil {
					t.Error(err)
				}
			}
		}}, err
	}
	_, err := connectortest.Read(t, src, 1, 0)
	if err == nil || !strings.Contains(err.Error(), "byte 300000: the file shrank while it was read, it had 1600000 bytes") {
		t.Fatal(err)
	}
}

func TestCSVThatShrinksWhileRead(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"f": "id,Buyer\n" + strings.Repeat("1,ann smith\n", 100_000)}), "f")
	src := CSV[order](path)
	n := 0
	open := src.OpenSplit
	src.OpenSplit = func(ctx *stream.RuntimeContext, s stream.Split) (stream.Reader[order], error) {
		r, err := open(ctx, s)
		return &hook[order]{r, func() {
			if n++; n == 10 {
				if err := os.Truncate(path, 9+12*50_000); err != nil {
					t.Error(err)
				}
			}
		}}, err
	}
	_, err := connectortest.Read(t, src, 1, 0)
	if err == nil || !strings.Contains(err.Error(), "byte 600009: the file shrank while it was read, it had 1200009 bytes") {
		t.Fatal(err)
	}
}

type hook[T any] struct {
	stream.Reader[T]
	before func()
}

func (h *hook[T]) Next(v *T) (int64, stream.Status, error) {
	h.before()
	return h.Reader.Next(v)
}

type order struct {
	ID    int64 `csv:"id"`
	Buyer string
	Price float64       `csv:"price,omitempty"`
	Wait  time.Duration `csv:"wait,omitempty"`
	At    time.Time     `csv:"at,omitempty"`
	Tags  []string      `csv:"-" json:"tags,omitempty"`
	Paid  bool          `csv:",omitempty"`
	note  string        //nolint:unused // left out by both formats
}

func TestJSON(t *testing.T) {
	dir := write(t, map[string]string{
		"a.jsonl": `{"ID":1,"Buyer":"ann","tags":["x","y"]}` + "\n\n" + `{"ID":2}` + "\r\n", "bad.txt": "{\"ID\":1}\n{\"ID\":\"x\"}\n{\"ID\":3}",
	})
	got := read(t, JSON[order](filepath.Join(dir, "a.jsonl")), 1).Values()
	if fmt.Sprint(got) != fmt.Sprint([]order{{ID: 1, Buyer: "ann", Tags: []string{"x", "y"}}, {ID: 2}}) {
		t.Errorf("%+v", got)
	}
	bad := filepath.Join(dir, "bad.txt")
	_, err := connectortest.Read(t, JSON[order](bad), 1, 0)
	if want := bad + `, byte 9: line "{\"ID\":\"x\"}": json: cannot unmarshal string into Go struct field order.ID of type int64`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	res, err := connectortest.Read(t, JSON[order](bad, OnBadRecord(Skip)), 1, 0)
	if err != nil || len(res.Values()) != 2 || res.Counter("skippedRecords") != 1 {
		t.Error(err, res.Values())
	}
}

func TestCSVWithAnotherComma(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"f": "id;Buyer\n1;ann, smith\n"}), "f")
	if got := read(t, CSV[order](path, Comma(';')), 1).Values(); len(got) != 1 || got[0].ID != 1 || got[0].Buyer != "ann, smith" {
		t.Errorf("%+v", got)
	}
}

func TestCSV(t *testing.T) {
	head := "\ufeffid,other,BUYER,price,wait,at\n"
	dir := write(t, map[string]string{
		"a.csv":     head + "1,-,\"Ann \"\"A\"\"\nB\",2.5,1m30s,2026-01-02T03:04:05Z\n2,-,bob,,,\n",
		"empty.csv": "",
		"cell.csv":  "id,Buyer\n1,ann\nx,bob\n3,carl\n",
		"short.csv": "id,Buyer\n1,ann\n2\n3,carl\n",
		"quote.csv": "id,Buyer\n1,an\"n\n2,\"bob\n3,carl\n",
		"head.csv":  "id,Seller\n1,ann\n",
		"utf8.csv":  "id,Buyer\n1,a\xff\n",
		"big.csv":   "id,Buyer\n1,\"" + strings.Repeat("x\n", 100_000),
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	got := read(t, CSV[order](at("a.csv"), In(at("empty.csv"))), 2).Values()
	want := []order{
		{ID: 1, Buyer: "Ann \"A\"\nB", Price: 2.5, Wait: 90 * time.Second, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{ID: 2, Buyer: "bob"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, tc := range []struct {
		file, want string
		left       int // records with Skip
	}{
		{"cell.csv", `cell.csv, byte 15: line 3: column "id": "x" as int64: invalid syntax`, 2},
		{"short.csv", "short.csv, byte 15: line 3, column 1: wrong number of fields", 2},
		{"quote.csv", `quote.csv, byte 9: line 2, column 5: bare " in non-quoted`, 0},
		{"head.csv", `head.csv, byte 0: header: no column "Buyer" among ["id" "Seller"]`, 0},
		{"utf8.csv", `utf8.csv, byte 9: line 2: column "Buyer": not valid UTF-8`, 0},
		{"big.csv", "big.csv, byte 9: line is longer than 1000 bytes", 0},
	} {
		_, err := connectortest.Read(t, CSV[order](at(tc.file), LineLimit(1000)), 1, 0)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
		res, err := connectortest.Read(t, CSV[order](at(tc.file), LineLimit(1000), OnBadRecord(Skip)), 1, 0)
		if err != nil || len(res.Values()) != tc.left || res.Counter("skippedRecords") == 0 {
			t.Errorf("%s with Skip: %v, %d records, %d skipped", tc.file, err, len(res.Values()), res.Counter("skippedRecords"))
		}
	}
	type bad struct{ Parts []int }
	if got := strings.Join(CSV[bad](at("a.csv")).Faults, "; "); !strings.Contains(got, "bad.Parts: []int is no CSV column") {
		t.Error(got)
	}
}

func TestBadOptions(t *testing.T) {
	got := strings.Join(Lines("", SplitSize(0), LineLimit(-1)).Faults, "; ")
	if want := "split size 0: want at least 1; line limit -1: want at least 1; a path is empty: name a file, a directory or a pattern"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestLinesDoNotAllocate(t *testing.T) {
	dir := write(t, map[string]string{"f": strings.Repeat("to be or not to be\n", 100_000)})
	c := newConfig(dir, nil)
	files, err := c.find(func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	r := &lineReader[string]{partReader: newPartReader(nil, c, files), decode: func(line string, v *string) error { *v = line; return nil }}
	defer func() { _ = r.Close() }()
	line := new(string)
	if _, _, err := r.Next(line); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(50_000, func() {
		if _, s, err := r.Next(line); err != nil || s != stream.Record {
			t.Fatal(s, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per line", n)
	}
}
