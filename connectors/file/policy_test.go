package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/streamtest"
	"github.com/flink-go/flink-go/connectors/file"
)

// A record that cannot be read obeys the policy of the source's operator; a file that cannot be read does not (B-70).
func TestBadRecordsBecomeDeadLetters(t *testing.T) {
	type item struct{ Name string }
	dir := t.TempDir()
	path := filepath.Join(dir, "items.jsonl")
	if err := os.WriteFile(path, []byte("{\"Name\":\"a\"}\noops\n{\"Name\":\"b\"}\n{\"Name\":\"\xff\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "items.csv")
	if err := os.WriteFile(table, []byte("Name,Size\nc,1\nd\ne,3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var names, raw, reasons []string
	_, err := streamtest.Run(t.Context(), func(env *stream.Env) {
		collect := func(in *stream.Stream[item]) {
			stream.ForEach(in, func(v item) error { names = append(names, v.Name); return nil })
			stream.ForEach(stream.DeadLetters[[]byte](in), func(l stream.Letter[[]byte]) error {
				raw = append(raw, string(l.Record))
				reasons = append(reasons, l.Error)
				return nil
			})
		}
		collect(stream.From(env, file.JSON[item](path)))
		collect(stream.From(env, file.CSV[item](table)))
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "a b c e" {
		t.Errorf("names %s", got)
	}
	slices.Sort(raw)
	if want := []string{"", "oops", "{\"Name\":\"\xff\"}"}; !slices.Equal(raw, want) {
		t.Errorf("raw records %q, want %q", raw, want)
	}
	for _, want := range []string{path + ", byte 13: ", path + ", byte 31: not valid UTF-8", table + ", byte 14: line 3, column 1: "} {
		if !slices.ContainsFunc(reasons, func(r string) bool { return strings.HasPrefix(r, want) }) {
			t.Errorf("no reason begins with %q: %q", want, reasons)
		}
	}
	_, err = streamtest.Run(t.Context(), func(env *stream.Env) {
		stream.Discard(stream.From(env, file.JSON[item](path)))
	})
	if _, ok := errors.AsType[*stream.BadRecord](err); !ok || !strings.Contains(err.Error(), ", byte 13: ") {
		t.Errorf("without a policy: %v", err)
	}
}
