package file

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

// list returns names and contents of a directory.
func list(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestPartFilesRollAndFinish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	at := connectortest.Place{Subtask: 2, Parallelism: 3}
	if err := connectortest.Write(t, WriteLines[int](dir, RollSize(8)), at, []int{1, 22, 333, 4444, 5}, connectortest.Ending{}); err != nil {
		t.Fatal(err)
	}
	got := list(t, dir)
	want := map[string]string{"part-2-0.txt": "1\n22\n333\n", "part-2-1.txt": "4444\n5\n"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A second run in the same directory goes on behind it.
	if err := connectortest.Write(t, WriteLines[int](dir), at, []int{6}, connectortest.Ending{}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir)["part-2-2.txt"]; got != "6\n" {
		t.Errorf("%q", got)
	}
}

func TestNoRecordsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := connectortest.Write(t, WriteCSV[order](dir), connectortest.Place{}, nil, connectortest.Ending{}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// TestNextAttemptDiscardsWhatWasInProgress: a part that is not complete never gets a visible name, and the next
// attempt of the subtask removes it, but not what belongs to others.
func TestNextAttemptDiscardsWhatWasInProgress(t *testing.T) {
	dir := t.TempDir()
	others := []string{".part-1-0." + connectortest.JobID.String() + "-x.inprogress", ".part-0-0.otherjob-x.inprogress", ".part-0-0.inprogress.txt"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := connectortest.Write(t, WriteLines[string](dir), connectortest.Place{}, []string{"lost"}, connectortest.Ending{Canceled: true}); err != nil {
		t.Fatal(err)
	}
	var left string
	for name, content := range list(t, dir) {
		if !slices.Contains(others, name) {
			if left != "" || !hidden(name) || content != "lost\n" {
				t.Errorf("%s: %q", name, content)
			}
			left = name
		}
	}
	if err := connectortest.Write(t, WriteLines[string](dir), connectortest.Place{Attempt: 1}, []string{"kept"}, connectortest.Ending{}); err != nil {
		t.Fatal(err)
	}
	got := list(t, dir)
	if len(got) != 4 || got["part-0-0.txt"] != "kept\n" {
		t.Errorf("%q", got)
	}
}

func TestRollEvery(t *testing.T) {
	dir := t.TempDir()
	sink := WriteLines[string](dir, RollEvery(time.Millisecond))
	seen := func() {
		if got := list(t, dir)["part-0-0.txt"]; got != "a\n" {
			t.Errorf("after the interval: %q", list(t, dir))
		}
	}
	if err := connectortest.Write(t, sink, connectortest.Place{}, []string{"a"}, connectortest.Ending{Wait: seen}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestFormatsReadWhatTheyWrote(t *testing.T) {
	want := []order{
		{ID: 1, Buyer: "Ann \"A\",\r\nB", Price: 2.5, Wait: 90 * time.Second, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Paid: true},
		{ID: -2, Buyer: " <b>"},
	}
	for name, dir := range map[string]string{"csv": t.TempDir(), "json": t.TempDir()} {
		sink, src := WriteCSV[order](dir), CSV[order](dir)
		if name == "json" {
			sink, src = WriteJSON[order](dir), JSON[order](dir)
		}
		if err := connectortest.Write(t, sink, connectortest.Place{}, want, connectortest.Ending{}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, src, 1).Values(); fmt.Sprint(got) != strings.ReplaceAll(fmt.Sprint(want), "\r\n", map[string]string{"csv": "\n", "json": "\r\n"}[name]) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestWriteFunc(t *testing.T) {
	dir := t.TempDir()
	sink := WriteFunc(dir, func(dst []byte, v *order) []byte { return fmt.Appendf(dst, "%d;", v.ID) }, Suffix(".semi"))
	if err := connectortest.Write(t, sink, connectortest.Place{}, []order{{ID: 1}, {ID: 2}}, connectortest.Ending{}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir)["part-0-0.semi"]; got != "1;2;" {
		t.Errorf("%q", list(t, dir))
	}
}

func TestSinkFaults(t *testing.T) {
	file := filepath.Join(write(t, map[string]string{"f": ""}), "f")
	if err := connectortest.Write(t, WriteLines[string](file), connectortest.Place{}, []string{"a"}, connectortest.Ending{}); err == nil || !strings.Contains(err.Error(), "output directory: mkdir") {
		t.Error(err)
	}
	type odd struct{ C map[[1]int]int }
	if err := connectortest.Write(t, WriteJSON[odd](t.TempDir()), connectortest.Place{}, []odd{{}}, connectortest.Ending{}); err == nil || !strings.Contains(err.Error(), "unsupported type: map[[1]int]int") {
		t.Error(err)
	}
	if err := connectortest.Write(t, WriteCSV[odd](t.TempDir()), connectortest.Place{}, nil, connectortest.Ending{}); err == nil || !strings.Contains(err.Error(), "odd.C: map[[1]int]int is no CSV column") {
		t.Error(err)
	}
}

// TestPartFilesAreNeverReplaced: another job may make a file of the same name in between.
func TestPartFilesAreNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	sink := WriteFunc(dir, func(dst []byte, v *string) []byte {
		if err := os.WriteFile(filepath.Join(dir, "part-0-0.txt"), []byte("other"), 0o644); err != nil {
			t.Error(err)
		}
		return append(dst, *v...)
	})
	if err := connectortest.Write(t, sink, connectortest.Place{}, []string{"mine"}, connectortest.Ending{}); err != nil {
		t.Fatal(err)
	}
	got, want := list(t, dir), map[string]string{"part-0-0.txt": "other", "part-0-1.txt": "mine"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
