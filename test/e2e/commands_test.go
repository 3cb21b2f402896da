//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what scripts may do beside running programs; those of this file send what no client of ours sends.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"await":    await,
	"http":     httpCmd,
	"signal":   signal,
	"jobid":    jobID,
	"wordsum":  wordSum,
	"leftover": leftover,

	"send":   send,
	"upload": uploadCmd,
	"graph":  graphCmd,
	"probe":  probe,
	"crowd":  crowd,
	"empty":  empty,
	"hangup": hangup,
	"repeat": repeat,

	"capture": capture,
	"started": started,
	"without": without,
}

func answerOf(ts *testscript.TestScript, req *http.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	resp, err := http.DefaultClient.Do(req.WithContext(ctx))
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	var head strings.Builder
	for _, k := range []string{"Allow", "Content-Type", "Access-Control-Allow-Origin"} {
		if v := resp.Header.Get(k); v != "" {
			fmt.Fprintf(&head, "%s: %s\n", k, v)
		}
	}
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s%s\n", resp.StatusCode, &head, b)
	ts.Check(err)
}

func request(ts *testscript.TestScript, method, path string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+ts.Getenv("REST")+path, body)
	ts.Check(err)
	return req
}

// send: send METHOD PATH BODY [NAME:VALUE]... sends a request with BODY and headers, and prints status, some headers
// and body of the answer. BODY is text, or @FILE.
func send(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: send METHOD PATH BODY [NAME:VALUE]...")
	}
	body := args[2]
	if name, ok := strings.CutPrefix(body, "@"); ok {
		body = ts.ReadFile(name)
	}
	req := request(ts, args[0], args[1], strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	for _, h := range args[3:] {
		k, v, _ := strings.Cut(h, ":")
		req.Header.Set(k, v)
		if k == "Host" {
			req.Host = v
		}
	}
	answerOf(ts, req)
}

// uploadCmd: upload PATH [FIELD=FILENAME=FILE]... posts a multipart form of files.
func uploadCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: upload PATH [FIELD=FILENAME=FILE]...")
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, a := range args[1:] {
		p := strings.SplitN(a, "=", 3)
		if len(p) != 3 {
			ts.Fatalf("%s is not FIELD=FILENAME=FILE", a)
		}
		content, err := os.ReadFile(ts.MkAbs(p[2]))
		ts.Check(err)
		part(ts, w, p[0], p[1], content)
	}
	ts.Check(w.Close())
	req := request(ts, http.MethodPost, args[0], &b)
	req.Header.Set("Content-Type", w.FormDataContentType())
	answerOf(ts, req)
}

func part(ts *testscript.TestScript, w *multipart.Writer, field, name string, content []byte) {
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", field, name))
	h.Set("Content-Type", "application/octet-stream")
	p, err := w.CreatePart(h)
	ts.Check(err)
	_, err = p.Write(content)
	ts.Check(err)
}

// graphCmd: graph PROGRAM [ARGUMENT]... -- [PATH=JSON]... takes the job graph of a program, changes it and submits it
// with the program. A PATH is keys and indexes between dots; an index of one beyond the end appends. Values are JSON,
// or delete.
func graphCmd(ts *testscript.TestScript, neg bool, args []string) {
	sep := slices.Index(args, "--")
	if sep < 1 {
		ts.Fatalf("usage: graph PROGRAM [ARGUMENT]... -- [PATH=JSON]...")
	}
	program, edits := filepath.Join(binDir, args[0]), args[sep+1:]
	plan := exec.Command(program, args[1:sep]...)
	plan.Env = []string{"FLINKGO_ROLE=plan"}
	r, w, err := os.Pipe()
	ts.Check(err)
	plan.ExtraFiles = []*os.File{w}
	ts.Check(plan.Start())
	ts.Check(w.Close())
	b, err := io.ReadAll(r)
	ts.Check(errors.Join(err, r.Close(), plan.Wait()))
	content, err := os.ReadFile(program)
	ts.Check(err)
	sum := sha256.Sum256(content)
	var g any
	ts.Check(json.Unmarshal(b, &g))
	g = edit(ts, g, "program.blob", strconv.Quote(hex.EncodeToString(sum[:])))
	g = edit(ts, g, "program.name", strconv.Quote(args[0]))
	arguments, err := json.Marshal(args[1:sep])
	ts.Check(err)
	g = edit(ts, g, "program.args", string(arguments))
	for _, e := range edits {
		path, value, _ := strings.Cut(e, "=")
		g = edit(ts, g, path, value)
	}
	b, err = json.Marshal(g)
	ts.Check(err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	ts.Check(form.WriteField("request", `{"executionPlanFileName":"graph.json","jobJarFileNames":["program"]}`))
	part(ts, form, "file_0", "graph.json", b)
	part(ts, form, "file_1", "program", content)
	ts.Check(form.Close())
	req := request(ts, http.MethodPost, "/v1/jobs", &body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	answerOf(ts, req)
}

// edit returns v with the value at path replaced.
func edit(ts *testscript.TestScript, v any, path, value string) any {
	if path == "" {
		var n any
		ts.Check(json.Unmarshal([]byte(value), &n))
		return n
	}
	key, rest, _ := strings.Cut(path, ".")
	switch c := v.(type) {
	case map[string]any:
		if rest == "" && value == "delete" {
			delete(c, key)
			return c
		}
		c[key] = edit(ts, c[key], rest, value)
		return c
	case []any:
		i, err := strconv.Atoi(key)
		ts.Check(err)
		if i == len(c) {
			c = append(c, nil)
		}
		c[i] = edit(ts, c[i], rest, value)
		return c
	}
	ts.Fatalf("%s leads nowhere", path)
	return nil
}

// listening returns the TCP ports that the first process of a role listens at.
func listening(dir, who string) ([]int, error) {
	for _, pid := range processesOf(dir) {
		if role(pid) != who {
			continue
		}
		inodes := map[string]bool{}
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			if l, _ := os.Readlink(fd); strings.HasPrefix(l, "socket:[") {
				inodes[strings.Trim(l, "socket:[]")] = true
			}
		}
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
		if err != nil {
			return nil, err
		}
		var ports []int
		for l := range strings.Lines(string(table)) {
			f := strings.Fields(l)
			if len(f) > 9 && f[3] == "0A" && inodes[f[9]] {
				_, hexPort, _ := strings.Cut(f[1], ":")
				port, err := strconv.ParseInt(hexPort, 16, 32)
				if err != nil {
					return nil, err
				}
				ports = append(ports, int(port))
			}
		}
		if len(ports) > 0 {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no process is a %s that listens", who)
}

// probe: probe ROLE FILE sends the bytes of FILE (in hexadecimal; blanks and lines do not count) to each port that a
// process of ROLE listens at. It fails if such a connection is still open 8 s later: B-50 to B-52.
func probe(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: probe ROLE FILE")
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(ts.ReadFile(args[1])), ""))
	ts.Check(err)
	var ports []int
	ts.Check(poll(10*time.Second, func() error {
		ports, err = listening(ts.MkAbs("."), args[0])
		return err
	}))
	errs := make([]error, len(ports))
	var wg sync.WaitGroup
	for i, port := range ports {
		wg.Go(func() { errs[i] = probePort(port, b) })
	}
	wg.Wait()
	ts.Check(errors.Join(errs...))
}

func probePort(port int, b []byte) error {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(8 * time.Second)); err != nil {
		return err
	}
	_, _ = c.Write(b) // the peer may have closed already
	if _, err := io.Copy(io.Discard, io.LimitReader(c, 1<<20)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("port %d is still open 8 s after %d bytes: %x", port, len(b), b[:min(len(b), 16)])
	}
	return nil
}

// crowd: crowd N ROLE opens N idle connections to each port of a process of ROLE and checks that REST answers
// meanwhile.
func crowd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: crowd N ROLE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ports, err := listening(ts.MkAbs("."), args[1])
	ts.Check(err)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for _, port := range ports {
		for range n {
			c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
			if err != nil {
				break // refused: as good
			}
			conns = append(conns, c)
		}
	}
	ts.Check(poll(10*time.Second, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		code, body, err := get(ctx, http.MethodGet, "http://"+ts.Getenv("REST")+"/overview")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	}))
}

// hangup: hangup N TEXT sends TEXT to the REST port N times, each time on a connection of its own that it closes at
// once. \r and \n in TEXT are what they are in Go.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: hangup N TEXT")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(args[1])
	for range n {
		c, err := net.Dial("tcp", ts.Getenv("REST"))
		ts.Check(err)
		_, err = io.WriteString(c, text)
		ts.Check(errors.Join(err, c.Close()))
	}
}

// capture: capture NAME REGEXP sets $NAME to what REGEXP finds in the last output: its first group, if it has one.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	found := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("no match for %s in the last output", re)
	}
	ts.Setenv(args[0], found[len(found)-1])
}

// countOf returns how many processes of a role there are.
func countOf(dir, who string) int {
	n := 0
	for _, pid := range processesOf(dir) {
		if role(pid) == who {
			n++
		}
	}
	return n
}

// started: started ROLE waits until there is a process of that role, 10 s at most.
func started(ts *testscript.TestScript, neg bool, args []string) { awaitRole(ts, args, true) }

// without: without ROLE waits until no process of that role is left, 10 s at most.
func without(ts *testscript.TestScript, neg bool, args []string) { awaitRole(ts, args, false) }

func awaitRole(ts *testscript.TestScript, args []string, want bool) {
	if len(args) != 1 {
		ts.Fatalf("usage: started|without ROLE")
	}
	ts.Check(poll(10*time.Second, func() error {
		if n := countOf(ts.MkAbs("."), args[0]); (n > 0) != want {
			return fmt.Errorf("%d processes are a %s", n, args[0])
		}
		return nil
	}))
}

// empty: empty DIR... fails if a directory holds anything: P-8.
func empty(ts *testscript.TestScript, neg bool, args []string) {
	for _, dir := range args {
		ts.Check(poll(5*time.Second, func() error {
			entries, err := os.ReadDir(ts.MkAbs(dir))
			if err != nil || len(entries) == 0 {
				return err
			}
			return fmt.Errorf("%s is not empty: %v", dir, entries)
		}))
	}
}

// repeat: repeat TEXT N FILE writes TEXT N times into FILE.
func repeat(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: repeat TEXT N FILE")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	w := bufio.NewWriter(f)
	for range n {
		_, err = w.WriteString(args[0])
		ts.Check(err)
	}
	ts.Check(errors.Join(w.Flush(), f.Close()))
}
