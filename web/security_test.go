package web

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
)

// TestSEC06_Hosts: a name that is not the server's is refused, because it may be a rebound one.
func TestSEC06_Hosts(t *testing.T) {
	f := newFixture(t, "rest.allowed-hosts=flink.example.com;other.example.com", "rest.address=jm-1")
	for host, code := range map[string]int{
		"localhost": 200, "localhost:8081": 200, "127.0.0.1:8081": 200, "[::1]:8081": 200, "10.1.2.3": 200,
		"FLINK.example.com": 200, "flink.example.com.": 200, "jm-1:8081": 200,
		"evil.example.com": 403, "localhost.evil.example.com": 403, "127.0.0.1.evil.example.com:8081": 403,
	} {
		r := f.send("GET", "/overview", "", "Host", host)
		if r.StatusCode != code {
			t.Errorf("Host %s: status %d, want %d: %s", host, r.StatusCode, code, r.body)
		}
	}
}

// TestSEC06_CrossOrigin: a page of another site changes nothing; tools without a browser do.
func TestSEC06_CrossOrigin(t *testing.T) {
	f := newFixture(t)
	path := "/jobs/" + runningID.String()
	for name, c := range map[string]struct {
		header []string
		code   int
	}{
		"curl":            {nil, 202},
		"own page":        {[]string{"Sec-Fetch-Site", "same-origin"}, 202},
		"other page":      {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"other port":      {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"old browser":     {[]string{"Origin", "http://evil.example.com"}, 403},
		"origin null":     {[]string{"Origin", "null"}, 403},
		"no browser, web": {[]string{"Origin", f.http.URL}, 202},
	} {
		if r := f.send("PATCH", path, "", c.header...); r.StatusCode != c.code {
			t.Errorf("%s: status %d, want %d: %s", name, r.StatusCode, c.code, r.body)
		}
	}
	if r := f.send("GET", "/overview", "", "Origin", "http://evil.example.com"); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("CORS is on without being asked for")
	}
	on := newFixture(t, "web.access-control-allow-origin=http://grafana.example.com")
	if r := on.send("GET", "/overview", ""); r.Header.Get("Access-Control-Allow-Origin") != "http://grafana.example.com" {
		t.Error("CORS is asked for and not on")
	}
}

// TestSEC03_Token walks all routes without a token, with a wrong one and with the right one in the wrong place.
func TestSEC03_Token(t *testing.T) {
	const token = "0123456789abcdef"
	f := newFixtureWithToken(t, token, "rest.auth.type=token")
	for _, r := range f.server.routes() {
		path := strings.NewReplacer(":jobid", unknownID.String(), ":vertexid", sinkID.String()).Replace(r.pattern)
		for _, header := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", "Bearer "},
			{"Authorization", "Basic " + token}, {"Authorization", token}, {"X-Token", token}, {"Cookie", "token=" + token}} {
			got := f.send(r.method, path+"?token="+token, "", header...)
			if got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with %v: status %d", r.method, r.pattern, header, got.StatusCode)
			}
		}
		if r.method == "DELETE" || r.method == "POST" {
			continue
		}
		if got := f.send(r.method, path, "", "Authorization", "bearer "+token); got.StatusCode == http.StatusUnauthorized {
			t.Errorf("%s %s: refused with the token", r.method, r.pattern)
		}
	}
	if f.cluster.down {
		t.Error("the cluster was shut down without a token")
	}
	if got := f.send("GET", "/livez", ""); got.StatusCode != 200 {
		t.Errorf("liveness: %d", got.StatusCode)
	}
	if _, err := f.client.Overview(t.Context()); err != nil { // it has the token
		t.Error(err)
	}
	without, err := rest.New(f.http.URL, rest.Options{RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close()
	if _, err := without.Overview(t.Context()); core.KindOf(err) != core.PermissionDenied {
		t.Errorf("without a token: %v", err)
	}
}

// TestSEC18_Secrets: no answer holds the value of a secret key.
func TestSEC18_Secrets(t *testing.T) {
	f := newFixture(t, "security.ssl.rest.keystore-password=hunter2", "s3.secret.key=hunter2")
	for _, path := range []string{"/jobmanager/config", "/jobs/" + runningID.String() + "/config"} {
		r := f.send("GET", path, "")
		if strings.Contains(r.body, "hunter2") || !strings.Contains(r.body, "******") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
}

// TestSEC19_Scripts: names and errors of users reach a page only as text.
func TestSEC19_Scripts(t *testing.T) {
	f := newFixture(t)
	f.cluster.jobs[runningID].Name = "<script>alert(1)</script>"
	f.cluster.jobs[runningID].Graph.Vertices[0].Description = "<img src=x onerror=alert(1)><br/>+- ok<br/>"
	r := f.send("GET", "/", "")
	if strings.Contains(r.body, "<script>") || !strings.Contains(r.body, "&lt;script&gt;") {
		t.Errorf("page: %s", r.body)
	}
	for h, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=UTF-8"} {
		if got := r.Header.Get(h); got != want {
			t.Errorf("%s: %q, want %q", h, got, want)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("CSP %q", csp)
	}
	plan, err := f.client.Plan(t.Context(), runningID)
	if err != nil || strings.Contains(plan.Nodes[0].Description, "<img") || !strings.HasSuffix(plan.Nodes[0].Description, "<br/>+- ok<br/>") {
		t.Errorf("description %q, %v", plan.Nodes[0].Description, err)
	}
	// JSON is no page, and no browser may take it for one.
	r = f.send("GET", "/jobs/"+failedID.String()+"/exceptions", "")
	if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
		t.Errorf("exceptions: %v", r.Header)
	}
}

// TestServeAndClose: Serve limits connections, Close gives up who waits and leaves nothing running (goleak).
func TestServeAndClose(t *testing.T) {
	f := newFixture(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // Serve's goroutine ends before the test reads
	go func() { served <- f.server.Serve(l) }()
	c, err := rest.New(l.Addr().String(), rest.Options{RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Overview(t.Context()); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		_, _, _ = c.ResultWithin(t.Context(), runningID, time.Minute)
	}()
	began := time.Now()
	if err := f.server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	<-waited
	if d := time.Since(began); d > 8*time.Second {
		t.Errorf("Close took %s", d)
	}
}

// TestPanic: a handler that panics costs its request, not the process.
func TestPanic(t *testing.T) {
	f := newFixture(t)
	f.server.cfg.ResourceManager = nil
	f.send("GET", "/taskmanagers", "").wantError(t, 500, "Internal server error.")
	if r := f.send("GET", "/overview", ""); r.StatusCode != 200 {
		t.Error("the server is not well afterwards")
	}
}

// TestNoLeader: without a leader the answer is 503, which clients try again.
func TestNoLeader(t *testing.T) {
	f := newFixture(t)
	f.cluster.err = core.E("call dispatcher", core.Unavailable, "", nil)
	for _, path := range []string{"/overview", "/jobs", "/jobs/overview", "/jobs/" + runningID.String(), "/taskmanagers", "/"} {
		f.send("GET", path, "").wantError(t, 503, "unavailable")
	}
}
