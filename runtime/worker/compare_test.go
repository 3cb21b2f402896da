package worker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

func sampleGraph(t *testing.T) *graph.JobGraph {
	t.Helper()
	source, sink := core.HashVertexID("source"), core.HashVertexID("sink")
	return &graph.JobGraph{
		Version: graph.FormatVersion,
		ID:      core.NewJobID(),
		Config:  graph.JobConfig{Parallelism: 2, Params: map[string]string{"input": "a", "password": "hunter2"}},
		Vertices: []graph.JobVertex{
			{ID: source, Name: "Source: lines", Parallelism: 2, MaxParallelism: 128, Source: true,
				Operators: []graph.Operator{{ID: core.HashOperatorID("lines"), Name: "lines"}}},
			{ID: sink, Name: "count -> print", Parallelism: 2, MaxParallelism: 128,
				Operators: []graph.Operator{{ID: core.HashOperatorID("count"), Name: "count", UID: "count"}, {ID: core.HashOperatorID("print"), Name: "print"}},
				Inputs:    []graph.JobEdge{{Source: source, Strategy: graph.Hash, Type: "string", Schema: 7}}},
		},
	}
}

// B-39: a program that does not build the same graph again is told in what it differs.
func TestB39_FirstDifference(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(g *graph.JobGraph)
		want   []string
	}{
		{"operator name", func(g *graph.JobGraph) { g.Vertices[1].Operators[0].Name = "sum" }, []string{"vertex 1 (count -> print)", "operator 0 (count)", `name`, `"count"`, `"sum"`}},
		{"uid", func(g *graph.JobGraph) { g.Vertices[1].Operators[0].UID = "" }, []string{"uid", `"count"`, `""`}},
		{"parallelism", func(g *graph.JobGraph) { g.Vertices[0].Parallelism = 3 }, []string{"vertex 0 (Source: lines)", "parallelism", "2", "3"}},
		{"record type", func(g *graph.JobGraph) { g.Vertices[1].Inputs[0].Type = "[]uint8" }, []string{"input 0", "record type", `"[]uint8"`}},
		{"fewer vertices", func(g *graph.JobGraph) { g.Vertices = g.Vertices[:1] }, []string{"number of vertices", `"count -> print"`}},
		{"more operators", func(g *graph.JobGraph) {
			g.Vertices[1].Operators = append(g.Vertices[1].Operators, graph.Operator{Name: "x"})
		}, []string{"number of operators"}},
		{"config", func(g *graph.JobGraph) { g.Config.Parallelism = 9 }, []string{"configuration", "parallelism", "2", "9"}},
		{"parameter", func(g *graph.JobGraph) { g.Config.Params["password"] = "other" }, []string{"configuration", `"password"`}},
		{"version", func(g *graph.JobGraph) { g.Version++ }, []string{"format version"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			submitted := sampleGraph(t)
			submitted.ComputeHash()
			own := sampleGraph(t)
			tc.change(own)
			own.ComputeHash()
			err := CompareGraphs(submitted, own)
			if core.KindOf(err) != core.Invalid {
				t.Fatalf("kind of %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q shows a secret", err)
			}
		})
	}
}

func TestEqualGraphs(t *testing.T) {
	submitted := sampleGraph(t)
	submitted.ComputeHash()
	b, err := json.Marshal(submitted)
	if err != nil {
		t.Fatal(err)
	}
	var read graph.JobGraph
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	own := sampleGraph(t)
	own.ComputeHash()
	if err := CompareGraphs(&read, own); err != nil {
		t.Error(err)
	}
}
