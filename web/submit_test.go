package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

func withGraph(request string, g *graph.JobGraph, change func(*graph.JobGraph), binary string) *form {
	change(g)
	b := newForm().add("request", "", "", request).add("file_0", "g.json", "application/json", string(must(json.Marshal(g))))
	if binary != "" {
		b.add("file_1", "p", "application/octet-stream", binary)
	}
	return b
}

// TestSubmit: the client sends a program once; a repeated submission is the same.
func TestSubmit(t *testing.T) {
	f := newFixture(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := testGraph(core.NewJobID())
	for range 2 {
		if err := f.client.Submit(t.Context(), g, exe); err != nil {
			t.Fatal(err)
		}
	}
	key, size, err := rest.HashFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if has, err := f.client.HasBlob(t.Context(), key); err != nil || !has {
		t.Errorf("the program is not stored: %v", err)
	}
	if got := f.cluster.blobs[key]; int64(len(got)) != size {
		t.Errorf("stored %d bytes, want %d", len(got), size)
	}
	if len(f.cluster.submitted) != 2 || f.cluster.submitted[1].ID != g.ID || f.cluster.submitted[1].Program.Blob != key {
		t.Errorf("submitted %+v", f.cluster.submitted)
	}
	f.noUploads(t)
}

// TestSubmitAsJavaClientsDo: chunked, the plan named before or after its part, the key of Flink 1.x.
func TestSubmitAsJavaClientsDo(t *testing.T) {
	f := newFixture(t)
	self := selfBinary(t)
	g := testGraph(core.NewJobID())
	g.Program = graph.Program{Blob: sum([]byte(self)), Name: "p"}
	b := newForm().add("file_1", "p.jar", "application/java-archive", self).
		add("file_0", "flink-jobgraph.bin", "application/json", string(must(json.Marshal(g)))).
		add("request", "", "", `{"jobGraphFileName":"flink-jobgraph.bin","jobJarFileNames":["p.jar"],"jobArtifactFileNames":[]}`)
	r := f.post("/v1/jobs", b)
	if r.StatusCode != http.StatusAccepted || r.body != `{"jobUrl":"/jobs/`+g.ID.String()+`"}` {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func TestJars(t *testing.T) {
	f := newFixture(t)
	id := f.upload()
	if again := f.upload(); again != id {
		t.Errorf("the same program has ids %s and %s", id, again)
	}
	plan, err := f.client.PlanJar(t.Context(), id, rest.JarRun{Args: []string{"graph", "a b"}, Parallelism: 3})
	if err != nil || plan.Name != `planned {"parallelism.default":"3"} graph|a b` {
		t.Errorf("plan %+v, %v", plan, err)
	}
	wanted := core.NewJobID()
	job, err := f.client.RunJar(t.Context(), id, rest.JarRun{JobID: &wanted, Settings: map[string]string{"pipeline.name": "x"}})
	if err != nil || job != wanted {
		t.Fatalf("run: %s, %v", job, err)
	}
	g := f.cluster.submitted[0]
	if g.ID != wanted || g.Program.Settings["pipeline.name"] != "x" || !f.cluster.Has(g.Program.Blob) {
		t.Errorf("submitted %+v", g.Program)
	}
	// The dashboard sends its arguments as one text, in the query too.
	if r := f.send("POST", "/jars/"+id+"/plan?program-args=graph%20'x%20y'", ""); !strings.Contains(r.body, "graph|x y") {
		t.Errorf("program-args: %s", r.body)
	}
	if err := f.client.DeleteJar(t.Context(), id); err != nil {
		t.Error(err)
	}
	f.send("DELETE", "/jars/"+id, "").wantError(t, 400, "does not exist")
	for _, bad := range []string{"x", "..", "%2e%2e%2fx", "a_b", strings.Repeat("0", 64) + "_", strings.Repeat("A", 64) + "_x"} {
		f.send("DELETE", "/jars/"+bad, "").wantError(t, 400, "not the id of an uploaded program")
		f.send("POST", "/jars/"+bad+"/run", "").wantError(t, 400, "not the id of an uploaded program")
	}
	f.send("POST", "/jars/"+strings.Repeat("0", 64)+"_x/run", "").wantError(t, 400, "does not exist")
	off := newFixture(t, "web.submit.enable=false")
	off.send("GET", "/jars", "").wantError(t, 404, "web.submit.enable")
	off.send("POST", "/jars/upload", "").wantError(t, 404, "web.submit.enable")
	off.send("POST", "/jars/"+id+"/run", "").wantError(t, 404, "web.submit.enable")
}

func TestJarQuota(t *testing.T) {
	f := newFixture(t)
	f.server.jars.most = 0
	f.post("/jars/upload", newForm().add("jarfile", "a", "application/octet-stream", selfBinary(t))).wantError(t, 409, "delete some")
}

// TestB05_Programs: a program that does not end with a plan is the client's fault, with the program's own words.
func TestB05_Programs(t *testing.T) {
	f := newFixture(t)
	id := f.upload()
	for arg, contains := range map[string]string{
		"silent": "ended without calling Execute",
		"exit":   "exit status 3; its output:\\ncannot open alice.txt",
		"noise":  "ended without calling Execute",
		"hang":   "no plan within 1s",
		"memory": "exit status", // SEC-17: its runtime finds no more memory
	} {
		t.Run(arg, func(t *testing.T) {
			f.server.plans.deadline = planDeadline
			if arg == "hang" {
				f.server.plans.deadline = time.Second
			}
			f.send("POST", "/jars/"+id+"/plan", fmt.Sprintf(`{"programArgsList":[%q]}`, arg)).wantError(t, 400, contains)
		})
	}
}

// TestSEC17_Confined: what runs on the JobManager for its plan writes nothing and calls nobody.
func TestSEC17_Confined(t *testing.T) {
	if err := canConfine(); err != nil {
		t.Skipf("this system cannot confine children: %v", err)
	}
	f := newFixture(t)
	id := f.upload()
	f.send("POST", "/jars/"+id+"/plan", `{"programArgsList":["write"]}`).wantError(t, 400, "write refused")
	f.send("POST", "/jars/"+id+"/plan", fmt.Sprintf(`{"programArgsList":["dial",%q]}`, f.http.Listener.Addr())).wantError(t, 400, "dial refused")
	if _, err := os.Stat(filepath.Join(os.TempDir(), "flink-go-plan-was-here")); err == nil {
		t.Error("the program wrote a file")
	}
}

func TestJarsListed(t *testing.T) {
	f := newFixture(t)
	id := f.upload()
	jars, err := f.client.Jars(t.Context())
	if err != nil || len(jars) != 1 || jars[0].ID != id || len(jars[0].Entry) != 1 || jars[0].Entry[0].Name == "" {
		t.Errorf("%+v, %v", jars, err)
	}
}

func TestSplitArgs(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, "a b": {"a", "b"}, "  a\t'b c' \"d\"e ": {"a", "b c", "de"}, "''": {""},
	} {
		if got, err := splitArgs(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}
