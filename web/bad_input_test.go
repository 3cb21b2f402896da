package web

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// TestB21_Bodies: a JSON body that is wrong costs its sender a 400 that says where.
func TestB21_Bodies(t *testing.T) {
	f := newFixture(t)
	id := f.upload()
	run := "/jars/" + id + "/run"
	for name, c := range map[string]struct {
		body     string
		code     int
		contains string
	}{
		"not JSON":       {"hello", 400, "not JSON at byte 1"},
		"truncated":      {`{"parallelism": 2`, 400, "not JSON"},
		"wrong type":     {`{"programArgsList": "a"}`, 400, "at programArgsList: expected"},
		"array":          {`[1]`, 400, "at the top"},
		"NaN":            {`{"parallelism": NaN}`, 400, "not JSON"},
		"10^400":         {`{"parallelism": 1e400}`, 400, "parallelism"},
		"too large":      {`{"parallelism": 99999999}`, 400, "expected a number from 1 to 32768"},
		"negative":       {`{"parallelism": -7}`, 400, "expected a number from 1 to 32768"},
		"deep":           {strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), 400, "deeper than 64"},
		"bad job id":     {`{"jobId": "xyz"}`, 400, "JobID"},
		"11 MiB":         {`{"x":"` + strings.Repeat("a", 11<<20) + `"}`, 413, "larger than"},
		"NUL argument":   {`{"programArgsList": ["a\u0000b"]}`, 400, "NUL"}, // B-27
		"1 MB argument":  {`{"programArgsList": ["` + strings.Repeat("a", 1<<20) + `"]}`, 400, "at most"},
		"unclosed quote": {`{"programArgs": "it's"}`, 400, "not closed"},
		"savepoint":      {`{"savepointPath": "/tmp/x"}`, 400, "not available"},
	} {
		t.Run(name, func(t *testing.T) {
			f.send("POST", run, c.body, "Content-Type", "application/json").wantError(t, c.code, c.contains)
		})
	}
	for name, body := range map[string]string{
		"empty": "", "null": "null", "unknown fields": `{"nonsense": 1, "nonsense": 2}`, "number as text": `{"parallelism": "2"}`,
		"quotes and newlines": `{"programArgsList": ["graph", "a \"b\"\n'c'"]}`,
	} {
		t.Run("good: "+name, func(t *testing.T) {
			if r := f.send("POST", run, body, "Content-Type", "application/json"); r.StatusCode != 200 {
				t.Errorf("status %d: %s", r.StatusCode, r.body)
			}
		})
	}
}

// raw sends bytes and returns the status line, "" when the server only closed the connection.
func (f *fixture) raw(request string) string {
	f.t.Helper()
	var d net.Dialer
	c, err := d.DialContext(f.t.Context(), "tcp", f.http.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		return ""
	}
	if half, ok := c.(*net.TCPConn); ok {
		_ = half.CloseWrite() // nothing more comes: the server need not wait for the rest
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// TestB22_Framing: what lies about its length is refused, and the server goes on.
func TestB22_Framing(t *testing.T) {
	f := newFixture(t)
	head := "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
	for name, req := range map[string]string{
		"two Content-Lengths": head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"negative length":     head + "Content-Length: -1\r\n\r\n",
		"chunk of 2^63":       head + "Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\nabc\r\n",
		"chunk not hex":       head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
		"1 TB announced":      head + "Content-Length: 1099511627776\r\n\r\n",
		"not HTTP":            "\x00\x01\x02\r\n\r\n",
		"gzip body":           head + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
	} {
		t.Run(name, func(t *testing.T) {
			if line := f.raw(req); line != "" && !strings.HasPrefix(line, "HTTP/1.1 4") {
				t.Errorf("got %q, expected a status 4xx", line)
			}
		})
	}
	if r := f.send("GET", "/overview", ""); r.StatusCode != 200 {
		t.Errorf("the server is not well afterwards: %d", r.StatusCode)
	}
}

// TestB23_Ids: every id is parsed before anything is looked up.
func TestB23_Ids(t *testing.T) {
	f := newFixture(t)
	for path, code := range map[string]int{
		"/jobs/xyz":                                                                     400,
		"/jobs/%2e%2e%2f%2e%2e%2fetc":                                                   400,
		"/jobs/%00":                                                                     400,
		"/jobs/" + strings.Repeat("a", 5000):                                            414,
		"/jobs/" + strings.Repeat("a", 1000):                                            400,
		"/jobs/" + runningID.String() + "/":                                             200, // a trailing slash is taken
		"/jobs/" + strings.ToUpper(runningID.String()):                                  200, // as Flink
		"/v1/jobs/" + runningID.String():                                                200,
		"/v2/jobs/" + runningID.String():                                                404,
		"/jobs/" + unknownID.String():                                                   404,
		"/jobs/" + unknownID.String() + "/status":                                       404,
		"/jobs/" + runningID.String() + "/vertices/xyz":                                 400,
		"/jobs/" + runningID.String() + "/vertices/" + unknownID.String():               404,
		"/jobs/" + runningID.String() + "/vertices/" + sinkID.String() + "/subtasks/9":  404,
		"/jobs/" + runningID.String() + "/vertices/" + sinkID.String() + "/subtasks/-1": 400,
		"/jobs/" + runningID.String() + "/vertices/" + sinkID.String() + "/subtasks/99999999999999999999": 400,
		"/jobs/" + runningID.String() + "/vertices/" + sinkID.String() + "/subtasks/0/attempts/7":         404,
		"/jobs/" + runningID.String() + "/exceptions?maxExceptions=x":                                     400,
		"/jobs/" + runningID.String() + "/exceptions?maxExceptions=-1":                                    400,
		"/jobs/" + runningID.String() + "/execution-result?wait=5":                                        400,
		"/taskmanagers/" + "%2e%2e%2fx":                                                                   404,
		"/taskmanagers/%68ost:4711-0a0b0c":                                                                200, // percent-encoded
		"/blobs/xyz":                                                                                      400,
		"/blobs/" + strings.Repeat("0", 64):                                                               404,
		"/jobs/../overview":                                                                               404,
		"/no/such/path":                                                                                   404,
	} {
		r := f.send("GET", path, "")
		if code == 200 {
			if r.StatusCode != 200 {
				t.Errorf("%s: status %d, want 200: %s", path, r.StatusCode, r.body)
			}
			continue
		}
		t.Run(path[:min(len(path), 60)], func(t *testing.T) { r.wantError(t, code, "") })
	}
}

// TestB24_Methods: a wrong method is 405 with the right ones in Allow.
func TestB24_Methods(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/overview", "GET"},
		{"DELETE", "/jobs", "GET, POST"},
		{"PUT", "/jobs/" + runningID.String(), "GET, PATCH"},
		{"OPTIONS", "/jobs", "GET, POST"},
		{"TRACE", "/cluster", "DELETE"},
	} {
		r := f.send(c.method, c.path, "")
		r.wantError(t, http.StatusMethodNotAllowed, "only "+c.allow)
		if got := r.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	f.send("POST", "/no/such", "").wantError(t, 404, "Not found: /no/such")
	f.send("GET", "/no/such", "").wantError(t, 404, "Unable to load requested file /no/such.")
}

// form is a multipart body made by hand.
type form struct {
	bytes.Buffer
	w *multipart.Writer
}

func newForm() *form {
	f := &form{}
	f.w = multipart.NewWriter(&f.Buffer)
	return f
}

func (f *form) add(field, name, kind, content string) *form {
	h := textproto.MIMEHeader{}
	d := fmt.Sprintf("form-data; name=%q", field)
	if name != "" {
		d += fmt.Sprintf("; filename=%q", name)
	}
	h.Set("Content-Disposition", d)
	if kind != "" {
		h.Set("Content-Type", kind)
	}
	p, _ := f.w.CreatePart(h)
	_, _ = io.WriteString(p, content)
	return f
}

func (f *fixture) post(path string, b *form) reply {
	f.t.Helper()
	_ = b.w.Close()
	return f.send("POST", path, b.String(), "Content-Type", b.w.FormDataContentType())
}

// noUploads checks that no temporary file is left.
func (f *fixture) noUploads(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(f.server.tmp)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind in %s: %v %v", f.server.tmp, entries, err)
	}
}

func selfBinary(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestB25_Multipart: an upload that is not one program is refused, and leaves nothing.
func TestB25_Multipart(t *testing.T) {
	f := newFixture(t)
	octets := "application/octet-stream"
	t.Run("no file", func(t *testing.T) { f.post("/jars/upload", newForm()).wantError(t, 400, "") })
	t.Run("two files", func(t *testing.T) {
		f.post("/jars/upload", newForm().add("a", "a", octets, "x").add("b", "b", octets, "y")).wantError(t, 400, "Exactly 1 file must be sent, received 2.")
	})
	t.Run("empty file", func(t *testing.T) {
		f.post("/jars/upload", newForm().add("jarfile", "a.jar", octets, "")).wantError(t, 400, "0 bytes")
	})
	t.Run("10,000 parts", func(t *testing.T) {
		// Small ones: what the server does not read of a large body resets the connection, sometimes before the answer is read.
		b := strings.Repeat("--b\r\n\r\nx\r\n", 10_000) + "--b--\r\n"
		f.send("POST", "/jars/upload", b, "Content-Type", "multipart/form-data; boundary=b").wantError(t, 400, "more than 32 parts")
	})
	t.Run("no boundary", func(t *testing.T) {
		f.send("POST", "/jars/upload", "x", "Content-Type", "multipart/form-data").wantError(t, 400, "boundary")
	})
	t.Run("not multipart", func(t *testing.T) {
		f.send("POST", "/jars/upload", "x", "Content-Type", "application/json").wantError(t, 400, "multipart/form-data")
	})
	t.Run("cut", func(t *testing.T) {
		b := newForm().add("jarfile", "a.jar", octets, strings.Repeat("x", 1000))
		f.send("POST", "/jars/upload", b.String()[:500], "Content-Type", b.w.FormDataContentType()).wantError(t, 400, "cut or malformed")
	})
	t.Run("connection lost", func(t *testing.T) {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", f.http.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "POST /jars/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"+
			"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\nxxxx")
		_ = c.Close()
	})
	t.Run("traversal in the name", func(t *testing.T) {
		r := f.post("/jars/upload", newForm().add("jarfile", "../../../x\ny.jar", octets, selfBinary(t)))
		if r.StatusCode != 200 {
			t.Fatalf("status %d: %s", r.StatusCode, r.body)
		}
		jars, err := f.client.Jars(t.Context())
		if err != nil || len(jars) != 1 || strings.ContainsAny(jars[0].Name, "/\n") {
			t.Errorf("stored as %+v, %v", jars, err)
		}
		if _, err := os.Stat(filepath.Join(f.server.jars.dir, jars[0].ID)); err != nil {
			t.Error(err)
		}
	})
	f.eventually(func() bool { e, err := os.ReadDir(f.server.tmp); return err == nil && len(e) == 0 })
	f.noUploads(t)
}

// eventually waits for what happens on another goroutine.
func (f *fixture) eventually(ok func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		if ok() {
			return
		}
		<-tick.C
	}
}

func TestB25_TooLarge(t *testing.T) {
	f := newFixture(t, "rest.server.max-content-length=10000")
	b := newForm().add("jarfile", "a", "application/octet-stream", strings.Repeat("x", 20_000))
	f.post("/jars/upload", b).wantError(t, 413, "the limit is 10000")
	_ = b.w.Close()
	// The same without a length, as Java clients send it.
	req, err := http.NewRequestWithContext(t.Context(), "POST", f.http.URL+"/jars/upload", io.MultiReader(&b.Buffer, strings.NewReader("")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", b.w.FormDataContentType())
	resp, err := f.http.Client().Do(req)
	if err == nil {
		if resp.StatusCode != 413 && resp.StatusCode != 400 {
			t.Errorf("chunked: status %d", resp.StatusCode)
		}
		_ = resp.Body.Close()
	}
	f.noUploads(t)
}

// dynamic tells whether an ELF binary names a dynamic linker.
func dynamic(t *testing.T, binary string) bool {
	t.Helper()
	f, err := elf.NewFile(strings.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// TestB26_NotAProgram: what TaskManagers cannot run is refused when it is uploaded.
func TestB26_NotAProgram(t *testing.T) {
	f := newFixture(t)
	self := selfBinary(t)
	other := []byte(self[:4096])
	other[18], other[19] = 40, 0 // 32-bit ARM
	noLinker := bytes.Replace([]byte(self), []byte("/lib64/ld-linux-x86-64.so.2"), []byte("/lib64/ld-linux-nowhere.so2"), 1)
	cases := map[string]struct{ content, contains string }{
		"text":          {"hello", "not an ELF executable"},
		"script":        {"#!/bin/sh\necho hi", "a script"},
		"zip":           {"PK\x03\x04 and so on", "JAR of Java"},
		"windows":       {"MZ" + strings.Repeat("x", 100), "for Windows"},
		"macos":         {"\xcf\xfa\xed\xfe" + strings.Repeat("x", 100), "for macOS"},
		"architecture":  {string(other), "machine 40"},
		"header only":   {self[:64], "damaged"},
		"half a header": {self[:20], "not an ELF"},
		"object file":   {self[:16] + "\x01\x00" + self[18:4096], "object file"},
		"java plan":     {javaMagic + "sr", "serialized Java plan"},
	}
	if dynamic(t, self) { // it is static when built without cgo
		cases["linker missing"] = struct{ content, contains string }{string(noLinker), "linked dynamically"}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f.post("/jars/upload", newForm().add("jarfile", "p.jar", "application/x-java-archive", c.content)).wantError(t, 400, c.contains)
		})
	}
	f.noUploads(t)
	if jars, err := f.client.Jars(t.Context()); err != nil || len(jars) != 0 {
		t.Errorf("stored: %v, %v", jars, err)
	}
}

// TestB28_LogFiles: names reach nothing outside the log directory, whatever is planted in it.
func TestB28_LogFiles(t *testing.T) {
	f := newFixture(t)
	secret := filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{secret: "secret", filepath.Join(f.logDir, "jobmanager.log"): "one\n<b>two</b>\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(f.logDir, "link.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(f.logDir, "dir.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := f.send("GET", "/jobmanager/log", "", "Range", "bytes=0-1,5-999999999999999999999") // B-29
	if r.StatusCode != 200 || r.body != "one\n<b>two</b>\n" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("log: %d %q %q", r.StatusCode, r.Header.Get("Content-Type"), r.body)
	}
	for _, name := range []string{"link.log", "dir.log", "absent", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "a%00b", strings.Repeat("a", 300)} {
		f.send("GET", "/jobmanager/logs/"+name, "").wantError(t, 404, "This file does not exist in JobManager log dir.")
	}
	logs, err := f.client.Logs(t.Context(), "")
	if err != nil || len(logs) != 1 || logs[0].Name != "jobmanager.log" {
		t.Errorf("listed: %v, %v", logs, err)
	}
	f.send("GET", "/jobmanager/stdout", "").wantError(t, 404, "does not exist")
	var b strings.Builder
	if err := f.client.Log(t.Context(), tmID, "worker.out", &b); err != nil || b.String() != "hello" {
		t.Errorf("log of a TaskManager: %q, %v", b.String(), err)
	}
	f.send("GET", "/taskmanagers/"+tmID+"/logs/absent", "").wantError(t, 404, "no such log file")
	f.send("GET", "/taskmanagers/nobody/logs", "").wantError(t, 404, "Could not find TaskExecutor with id nobody.")
}

// TestB30_ManyMetrics: a query for 10^5 names is refused, not served.
func TestB30_ManyMetrics(t *testing.T) {
	f := newFixture(t)
	path := "/jobs/" + runningID.String() + "/vertices/" + sinkID.String() + "/metrics?get="
	f.send("GET", path+strings.Repeat("a,", 1001), "").wantError(t, 400, "at most 1000")
	f.send("GET", path+"0.numRecordsIn&agg=x", "")
	f.send("GET", strings.Replace(path, "/metrics", "/subtasks/metrics", 1)+"numRecordsIn&agg=median", "").wantError(t, 400, "agg")
	f.send("GET", strings.Replace(path, "/metrics", "/subtasks/metrics", 1)+"numRecordsIn&subtasks=3-1", "").wantError(t, 400, "subtasks")
	// Metrics of what does not exist are an empty list, as Flink's.
	for _, p := range []string{"/jobs/" + unknownID.String() + "/metrics", "/taskmanagers/nobody/metrics",
		"/jobs/" + runningID.String() + "/vertices/" + unknownID.String() + "/metrics"} {
		if r := f.send("GET", p, ""); r.StatusCode != 200 || r.body != "[]" {
			t.Errorf("%s: %d %s", p, r.StatusCode, r.body)
		}
	}
}

// TestB31_WrongJob: cancel and stop of what cannot be canceled or stopped.
func TestB31_WrongJob(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		method, path string
		code         int
		contains     string
	}{
		{"PATCH", "/jobs/" + unknownID.String(), 404, "Job " + unknownID.String() + " not found"},
		{"PATCH", "/jobs/" + finishedID.String(), 409, "already reached another terminal state"},
		{"PATCH", "/jobs/" + failedID.String() + "?mode=cancel", 409, "already reached another terminal state"},
		{"PATCH", "/jobs/" + runningID.String() + "?mode=stop", 308, "has been removed"},
		{"PATCH", "/jobs/" + runningID.String() + "?mode=kill", 400, "mode"},
		{"GET", "/jobs/" + runningID.String() + "/yarn-cancel", 403, "web.get-cancel.enable"},
		{"GET", "/jobs/" + runningID.String() + "/yarn-stop", 308, "has been removed"},
		{"POST", "/jobs/" + runningID.String() + "/savepoints", 400, "not available"},
		{"POST", "/jobs/" + unknownID.String() + "/stop", 404, "not found"},
		{"GET", "/jobs/" + runningID.String() + "/checkpoints", 404, "Checkpointing has not been enabled."},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) { f.send(c.method, c.path, "{}").wantError(t, c.code, c.contains) })
	}
	for _, id := range []core.JobID{runningID, startingID} {
		if r := f.send("PATCH", "/v1/jobs/"+id.String()+"?mode=cancel", "{}", "Content-Type", "application/json; charset=UTF-8"); r.StatusCode != 202 || r.body != "{}" {
			t.Errorf("cancel: %d %s", r.StatusCode, r.body)
		}
	}
	on := newFixture(t, "web.get-cancel.enable=true")
	if r := on.send("GET", "/jobs/"+runningID.String()+"/yarn-cancel", ""); r.StatusCode != 202 {
		t.Errorf("cancel by GET: %d %s", r.StatusCode, r.body)
	}
	on.send("GET", "/jobs/"+runningID.String()+"/yarn-cancel", "", "Sec-Fetch-Site", "cross-site").wantError(t, 403, "another site")
}

// TestB35_Graphs: a graph that cannot run is refused before its program is stored.
func TestB35_Graphs(t *testing.T) {
	f := newFixture(t)
	self := selfBinary(t)
	key := sum([]byte(self))
	good := func() *graph.JobGraph {
		g := testGraph(core.NewJobID())
		g.Program = graph.Program{Blob: key, Name: "p"}
		return g
	}
	request := `{"executionPlanFileName":"g.json","jobJarFileNames":["p"]}`
	octets := "application/octet-stream"
	f.server.cfg.Check = func(g *graph.JobGraph) error {
		if g.Vertices[0].Parallelism > 1000 {
			return errors.New("parallelism 2000 is above max parallelism")
		}
		return nil
	}
	for name, c := range map[string]struct {
		form     *form
		contains string
	}{
		"cannot run":    {withGraph(request, good(), func(g *graph.JobGraph) { g.Vertices[0].Parallelism = 2000 }, self), "above max parallelism"},
		"no request":    {newForm().add("file_0", "g.json", "application/json", "{}"), "the part \\\"request\\\" is missing"},
		"no plan named": {newForm().add("request", "", "", "{}"), "executionPlanFileName is missing"},
		"no plan sent":  {newForm().add("request", "", "", request), "ExecutionPlan file g.json could not be found on the server."},
		"itself":        {newForm().add("request", "", "", `{"executionPlanFileName":"request"}`), "could not be found"},
		"java plan": {newForm().add("request", "", "", `{"executionPlanFileName":"g.bin"}`).add("file_0", "g.bin", octets, javaMagic+"sr"),
			"written in Go"},
		"null graph":   {newForm().add("request", "", "", request).add("file_0", "g.json", "application/json", "null"), "format version 0"},
		"version":      {withGraph(request, good(), func(g *graph.JobGraph) { g.Version = 99 }, self), "format version 99, this JobManager reads version 1"},
		"no id":        {withGraph(request, good(), func(g *graph.JobGraph) { g.ID = core.JobID{} }, self), "id is missing"},
		"no vertices":  {withGraph(request, good(), func(g *graph.JobGraph) { g.Vertices = nil }, self), "no vertices"},
		"no program":   {withGraph(request, good(), func(g *graph.JobGraph) { g.Program.Blob = core.BlobKey{} }, ""), "program.blob is missing"},
		"other binary": {withGraph(request, good(), func(g *graph.JobGraph) { g.Program.Blob[0]++ }, self), "the job graph wants"},
		"not sent":     {withGraph(request, good(), func(*graph.JobGraph) {}, ""), "send it with the job graph"},
		"script":       {withGraph(request, good(), func(g *graph.JobGraph) { g.Program.Blob = sum([]byte("#!x")) }, "#!x"), "a script"},
	} {
		t.Run(name, func(t *testing.T) { f.post("/jobs", c.form).wantError(t, 400, c.contains) })
	}
	if len(f.cluster.blobs) != 0 || len(f.cluster.submitted) != 0 {
		t.Errorf("stored %d programs and %d jobs of refused submissions", len(f.cluster.blobs), len(f.cluster.submitted))
	}
	f.noUploads(t)
}
