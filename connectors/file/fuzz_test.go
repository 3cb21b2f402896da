package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

// FuzzContent holds that no content of a file makes a reader panic or run on: with Skip it comes to the end (B-70).
func FuzzContent(f *testing.F) {
	f.Add([]byte("id,Buyer\n1,ann\n\"2,bob\n"))
	f.Add([]byte("{\"ID\":1}\n{\"ID\":\n"))
	f.Add([]byte(gzipped(f, "some text\nand more\n")))
	f.Add([]byte(zstandard(f, "some text\nand more\n")))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		for _, ext := range []string{"txt", "gz", "zst"} {
			if err := os.WriteFile(filepath.Join(dir, "f."+ext), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		opts := []Option{OnBadRecord(Skip), LineLimit(1000), SplitSize(10)}
		drain(t, Lines(dir, append(opts, ValidUTF8())...))
		drain(t, JSON[order](dir, opts...))
		drain(t, CSV[order](dir, opts...))
	})
}

func drain[T any](t *testing.T, src stream.Source[T]) {
	t.Helper()
	if _, err := connectortest.Read(t, src, 2, 0); err != nil {
		t.Fatal(err)
	}
}

// FuzzSplit holds SEC-13 for the one thing that a reader decodes and another process made.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`[{"path":"f","from":1,"to":2,"size":3,"modified":"2026-01-02T03:04:05Z"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := parseSplit(stream.Split{ID: "s", Data: data})
		if err != nil {
			return
		}
		s, err := newSplit(append(parts, part{}))
		if err != nil {
			t.Skip(err) // a year that JSON has no form for
		}
		if again, err := parseSplit(s); err != nil || len(again) != len(parts)+1 {
			t.Fatal(again, err)
		}
	})
}
