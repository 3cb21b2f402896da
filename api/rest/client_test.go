package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, address string, o Options) *Client {
	t.Helper()
	c, err := New(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

const okOverview = `{"taskmanagers":2,"slots-total":4,"slots-available":3,"jobs-running":1,"jobs-finished":0,"jobs-cancelled":0,"jobs-failed":0,"flink-version":"2.2.1","flink-commit":"x"}`

// TestB06_WrongAddress: the error says what is wrong with the address.
func TestB06_WrongAddress(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := closed.Addr().String()
	_ = closed.Close()
	plain := newServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, okOverview) })
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, okOverview) }))
	tls.Config.ErrorLog = nil
	t.Cleanup(tls.Close)
	other := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>It works!</html>")
	})
	notFound := newServer(t, http.NotFound)
	smtp := banner(t, "220 mail ready\r\n")
	for name, c := range map[string]struct {
		address, contains string
		kind              core.Kind
	}{
		"nothing listens":    {refused, "nothing listens at " + refused, core.Unavailable},
		"no such host":       {"no-such-host.invalid:8081", "no such host no-such-host.invalid", core.Unavailable},
		"TLS against plain":  {strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS: use http", core.Invalid},
		"plain against TLS":  {strings.Replace(tls.URL, "https:", "http:", 1), "speaks TLS: use https", core.Invalid},
		"unknown authority":  {tls.URL, "is not trusted", core.Invalid},
		"another web server": {other.URL, "is not the REST address of a JobManager: it answered 200 OK with text/html", core.Invalid},
		"404 of another":     {notFound.URL, "is not the REST address of a JobManager: it answered 404", core.Invalid},
		"not HTTP":           {smtp, "does not speak HTTP", core.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := newClient(t, c.address, Options{RetryFor: 200 * time.Millisecond}).Overview(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.contains) || core.KindOf(err) != c.kind {
				t.Errorf("got %v (%s), want %q (%s)", err, core.KindOf(err), c.contains, c.kind)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
	for _, address := range []string{"", "ftp://host:1", "http://", "host:port", "http://user:pw@host:1", "http://host:1/?q=1", "a b"} {
		if _, err := New(address, Options{}); core.KindOf(err) != core.Invalid {
			t.Errorf("address %q: %v", address, err)
		}
	}
}

// banner is a server that speaks first and is not HTTP.
func banner(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// TestRetry: 503 and broken connections are tried again for a bounded time, anything else is not.
func TestRetry(t *testing.T) {
	var calls atomic.Int32
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"errors":["no leader"]}`)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.WriteString(w, okOverview)
		}
	})
	c := newClient(t, s.URL, Options{})
	o, err := c.Overview(t.Context())
	if err != nil || o.SlotsTotal != 4 || calls.Load() != 3 {
		t.Errorf("%+v, %v after %d calls", o, err, calls.Load())
	}
	for status, kind := range map[int]core.Kind{400: core.Invalid, 401: core.PermissionDenied, 403: core.PermissionDenied,
		404: core.NotFound, 409: core.Conflict, 413: core.TooLarge, 500: core.Internal, 308: core.Invalid} {
		calls.Store(0)
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"errors":["no","way"]}`)
		})
		_, err := newClient(t, s.URL, Options{}).Overview(t.Context())
		if core.KindOf(err) != kind || calls.Load() != 1 || !strings.Contains(err.Error(), "no\nway") {
			t.Errorf("status %d: %v (%s) after %d calls", status, err, core.KindOf(err), calls.Load())
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("pressed Ctrl-C"))
	if _, err := c.Overview(ctx); core.KindOf(err) != core.Canceled || !strings.Contains(err.Error(), "pressed Ctrl-C") {
		t.Errorf("canceled: %v", err)
	}
	never := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"errors":["no leader"]}`)
	})
	if _, err := newClient(t, never.URL, Options{RetryFor: 100 * time.Millisecond}).Overview(t.Context()); core.KindOf(err) != core.Unavailable || !strings.Contains(err.Error(), "no leader") {
		t.Errorf("without end: %v", err)
	}
	big := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, okOverview+strings.Repeat(" ", 1000))
	})
	if _, err := newClient(t, big.URL, Options{MaxAnswer: 500}).Overview(t.Context()); core.KindOf(err) != core.TooLarge {
		t.Errorf("large answer: %v", err)
	}
}

// TestAddress: prefix, token and headers reach the server, and odd ids stay one segment of the path.
func TestAddress(t *testing.T) {
	var got *http.Request
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, "{}")
	})
	c := newClient(t, s.URL+"/proxy/", Options{Token: "t", Header: http.Header{"X-Team": {"a"}}})
	if _, err := c.TaskManager(t.Context(), "host:1-a/../b c"); err != nil {
		t.Fatal(err)
	}
	if got.URL.EscapedPath() != "/proxy/v1/taskmanagers/host:1-a%2F..%2Fb%20c" || got.Header.Get("Authorization") != "Bearer t" || got.Header.Get("X-Team") != "a" {
		t.Errorf("%s %v", got.URL.EscapedPath(), got.Header)
	}
	for address, want := range map[string]string{"host": "http://host:8081", "host:1": "http://host:1", "https://host": "https://host", "http://[::1]:5/x/": "http://[::1]:5/x"} {
		if c := newClient(t, address, Options{}); c.Address() != want {
			t.Errorf("%s: %s, want %s", address, c.Address(), want)
		}
	}
	for address, want := range map[string]string{"host:99999": "a port from 1 to 65535, got 99999", "host:0": "got 0", "ftp://host": "http or https", "": "no host"} {
		if _, err := New(address, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}

func TestFromConfig(t *testing.T) {
	if o := FromConfig(conf.Default()); o.RetryFor != 0 || o.ConnectTimeout != 15*time.Second || o.MaxAnswer != 100<<20 {
		t.Errorf("%+v", o)
	}
	for flag, want := range map[string]time.Duration{"rest.retry.max-attempts=4": 12 * time.Second, "rest.retry.delay=1 s": 20 * time.Second, "rest.retry.max-attempts=0": -1} {
		c, err := conf.Load("", nil, []string{flag})
		if err != nil {
			t.Fatal(err)
		}
		if o := FromConfig(c); o.RetryFor != want {
			t.Errorf("%s: %s, want %s", flag, o.RetryFor, want)
		}
	}
}

// TestSubmitAgain: a submission whose answer is lost is sent again, whole.
func TestSubmitAgain(t *testing.T) {
	program := filepath.Join(t.TempDir(), "a \"b\"\n.bin")
	if err := os.WriteFile(program, []byte("not checked here"), 0o600); err != nil {
		t.Fatal(err)
	}
	var bodies []map[string]string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":["no program"]}`)
			return
		}
		mr, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		parts := map[string]string{}
		for p, err := mr.NextPart(); err == nil; p, err = mr.NextPart() {
			b, _ := io.ReadAll(p)
			parts[p.FormName()] = string(b)
		}
		bodies = append(bodies, parts)
		if len(bodies) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"jobUrl":"/jobs/x"}`)
	})
	job := &graph.JobGraph{ID: core.NewJobID(), Name: "x"}
	if err := newClient(t, s.URL, Options{}).Submit(t.Context(), job, program); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 2 || bodies[1]["file_1"] != "not checked here" || !strings.Contains(bodies[1]["file_0"], job.ID.String()) || bodies[0]["file_0"] != bodies[1]["file_0"] {
		t.Errorf("%v", bodies)
	}
	if err := newClient(t, s.URL, Options{}).Submit(t.Context(), job, program+"x"); core.KindOf(err) != core.Invalid {
		t.Errorf("no such program: %v", err)
	}
	if _, _, err := HashFile(t.TempDir()); err == nil {
		t.Error("a directory has a hash")
	}
}
