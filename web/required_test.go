package web

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/rest"
)

// requirement is what a Java client of Flink needs of one field of one answer.
type requirement struct {
	endpoint, field, kind string
	mustBeThere, notNull  bool
}

func requirements(t *testing.T) map[string][]requirement {
	t.Helper()
	b, err := os.ReadFile("testdata/required_fields.tsv")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]requirement{}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(f) != 5 {
			continue
		}
		all[f[0]] = append(all[f[0]], requirement{f[0], f[1], f[2], f[3] == "REQUIRED", f[4] == "null-FAILS"})
	}
	return all
}

// check walks to the field in v and reports what is missing. A parent that is absent is judged by its own line.
func (r requirement) check(t *testing.T, v any) {
	t.Helper()
	r.walk(t, v, strings.TrimPrefix(r.field, "."))
}

func (r requirement) walk(t *testing.T, v any, path string) {
	t.Helper()
	if v == nil {
		return
	}
	if rest, ok := strings.CutPrefix(path, "[]"); ok {
		list, isList := v.([]any)
		if !isList {
			t.Errorf("%s: %s: expected an array, got %T", r.endpoint, r.field, v)
			return
		}
		for _, e := range list {
			r.walk(t, e, strings.TrimPrefix(rest, "."))
		}
		return
	}
	name, rest, more := path, "", false
	if i := strings.IndexAny(path, ".["); i >= 0 {
		name, rest, more = path[:i], strings.TrimPrefix(path[i:], "."), true
	}
	object, isObject := v.(map[string]any)
	if !isObject {
		t.Errorf("%s: %s: expected an object, got %T", r.endpoint, r.field, v)
		return
	}
	value, there := object[name]
	if more {
		r.walk(t, value, rest)
		return
	}
	switch {
	case !there && r.mustBeThere:
		t.Errorf("%s: %s is missing", r.endpoint, r.field)
	case there && value == nil && r.notNull:
		t.Errorf("%s: %s is null", r.endpoint, r.field)
	case there && value != nil && r.kind != "null" && !r.kindFits(value):
		t.Errorf("%s: %s: got %T, expected %s", r.endpoint, r.field, value, r.kind)
	}
}

func (r requirement) kindFits(v any) bool {
	switch v.(type) {
	case float64:
		return r.kind == "int" || r.kind == "float"
	case string:
		return r.kind == "string"
	case bool:
		return r.kind == "bool"
	case []any:
		return r.kind == "array"
	default:
		return r.kind == "object"
	}
}

// TestRequiredFields holds every answer against what Flink's own Java client fails without. The names of accumulators
// and parameters in the recorded answers are the recorded jobs' own and not required.
func TestRequiredFields(t *testing.T) {
	f := newFixture(t)
	id := f.upload()
	paths := map[string]string{
		":jobid": runningID.String(), ":vertexid": sinkID.String(), ":taskmanagerid": tmID, ":jarid": id,
		":subtaskindex": "0", ":attempt": "0",
	}
	bodies := map[string][]string{} // by endpoint; some are asked for several jobs
	ask := func(endpoint, path, query string) {
		method, _, _ := strings.Cut(endpoint, " ")
		for k, v := range paths {
			path = strings.ReplaceAll(path, k, v)
		}
		r := f.send(method, "/v1"+path+query, "{}", "Content-Type", "application/json; charset=UTF-8")
		if r.StatusCode >= 300 {
			t.Errorf("%s: status %d: %s", endpoint, r.StatusCode, r.body)
			return
		}
		bodies[endpoint] = append(bodies[endpoint], r.body)
	}
	all := requirements(t)
	skipped := []string{"POST /jars/upload"} // the client that uploads in TestJars reads it
	for endpoint := range all {
		if slices.Contains(skipped, endpoint) {
			continue
		}
		_, path, _ := strings.Cut(endpoint, " ")
		query := ""
		if strings.HasSuffix(path, "/metrics") {
			query = "?get=numRecordsIn,0.numRecordsIn"
		}
		ask(endpoint, path, query)
		if !strings.Contains(path, ":jobid") || strings.Contains(path, "vertexid") || strings.Contains(path, "jobmanager") {
			continue
		}
		for _, other := range []string{finishedID.String(), failedID.String(), startingID.String()} {
			ask(endpoint, strings.ReplaceAll(path, ":jobid", other), query)
		}
	}
	for endpoint, rs := range all {
		for _, body := range bodies[endpoint] {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Errorf("%s: %v", endpoint, err)
				continue
			}
			for _, r := range rs {
				r.check(t, v)
			}
		}
	}
}

// upload stores the test binary as a program.
func (f *fixture) upload() string {
	f.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := f.client.UploadJar(f.t.Context(), exe)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

func TestAggregatedMetrics(t *testing.T) {
	f := newFixture(t)
	r := f.send("GET", "/jobs/"+runningID.String()+"/vertices/"+sinkID.String()+"/subtasks/metrics?get=numRecordsIn&agg=min,max,sum,skew", "")
	var got []rest.AggregatedMetric
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || *got[0].Min != 100 || *got[0].Max != 300 || *got[0].Sum != 400 || *got[0].Skew != 50 || got[0].Avg != nil {
		t.Errorf("got %s", r.body)
	}
	// One unknown name makes the whole answer empty.
	if r := f.send("GET", "/jobs/"+runningID.String()+"/vertices/"+sinkID.String()+"/subtasks/metrics?get=numRecordsIn,nonsense", ""); r.body != "[]" {
		t.Errorf("unknown metric: %s", r.body)
	}
}
