package taskexecutor

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// logBed is a directory of logs beside a file that is nobody's business.
func logBed(t *testing.T) *TaskExecutor {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "log")
	for name, content := range map[string]string{
		"secret":           "secret",
		"log/tm.log":       "the log",
		"log/tm.out":       "the output",
		"log/worker-1.err": strings.Repeat("0123456789", 20_000),
		"log/sub/deep.log": "deep",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"planted": "../secret", "inside": "tm.log"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return &TaskExecutor{cfg: Config{Resource: "tm", LogDir: dir, LogFile: "tm.log", OutFile: "tm.out"}}
}

func readLog(t *testing.T, te *TaskExecutor, in *pb.ReadLogRequest) (string, error) {
	t.Helper()
	var b bytes.Buffer
	err := te.ReadLog(t.Context(), in, func(p []byte) error { b.Write(p); return nil })
	return b.String(), err
}

func TestListLogs(t *testing.T) {
	te := logBed(t)
	out, err := te.ListLogs(t.Context(), &pb.ListLogsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range out.GetFiles() {
		names = append(names, f.GetName())
		if f.GetName() == "tm.log" && f.GetSize() != 7 {
			t.Errorf("size %d", f.GetSize())
		}
	}
	if got := strings.Join(names, " "); got != "tm.log tm.out worker-1.err" {
		t.Errorf("files %q", got)
	}
}

func TestReadLog(t *testing.T) {
	te := logBed(t)
	for _, tc := range []struct {
		in   *pb.ReadLogRequest
		want string
	}{
		{&pb.ReadLogRequest{}, "the log"},
		{&pb.ReadLogRequest{Name: "stdout"}, "the output"},
		{&pb.ReadLogRequest{Name: "tm.log", Offset: 4}, "log"},
		{&pb.ReadLogRequest{Name: "tm.log", Offset: 4, Limit: 1}, "l"},
		{&pb.ReadLogRequest{Name: "tm.log", Offset: 1 << 40}, ""},
		{&pb.ReadLogRequest{Name: "worker-1.err"}, strings.Repeat("0123456789", 20_000)},
	} {
		if got, err := readLog(t, te, tc.in); err != nil || got != tc.want {
			t.Errorf("%v: %d bytes, %v, want %d", tc.in, len(got), err, len(tc.want))
		}
	}
	enough := errors.New("enough")
	if err := te.ReadLog(t.Context(), &pb.ReadLogRequest{}, func([]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the receiver's error became %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := te.ReadLog(ctx, &pb.ReadLogRequest{}, func([]byte) error { return nil }); core.KindOf(err) != core.Canceled {
		t.Errorf("after the end of the call: %v", err)
	}
}

// SEC-07, B-28: a name reaches nothing but the files directly in the log directory.
func TestSEC07_ReadLogStaysInside(t *testing.T) {
	te := logBed(t)
	for _, name := range []string{
		"../secret", "planted", "inside", "sub/deep.log", "sub", ".", "..", "/etc/passwd", "tm.log/", "./tm.log",
		`..\secret`, "tm.log\x00", "no-such-file", strings.Repeat("x", 10_000),
	} {
		got, err := readLog(t, te, &pb.ReadLogRequest{Name: name})
		if core.KindOf(err) != core.NotFound || got != "" {
			t.Errorf("%.40q: %q, %v", name, got, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%.40q: the error has %d bytes", name, len(err.Error()))
		}
	}
	for _, in := range []*pb.ReadLogRequest{{Name: "tm.log", Offset: -1}, {Name: "tm.log", Limit: -1}} {
		if _, err := readLog(t, te, in); core.KindOf(err) != core.Invalid {
			t.Errorf("%v: %v", in, err)
		}
	}
}
