package job

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
)

// A job that restarts again and again says why, once for each reason (P-6), without what a terminal would obey (SEC-20).
func TestProgressSaysWhyAJobRestarts(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := newProgress(out)
	restarting := rest.Progress{Name: "job", State: core.JobRestarting, Failure: "no file \x1b[31mx\nstack", Restarts: 1}
	p.update(rest.Progress{Name: "job", State: core.JobRunning})
	p.update(restarting)
	restarting.Restarts++
	p.update(restarting)
	restarting.Failure = "no space"
	p.update(restarting)
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if n := strings.Count(text, "job failed and restarts: no file ?[31mx\n"); n != 1 {
		t.Errorf("the first reason is there %d times in\n%s", n, text)
	}
	if !strings.Contains(text, "job failed and restarts: no space\n") || strings.Contains(text, "stack") {
		t.Errorf("got\n%s", text)
	}
}
