package main

import (
	"testing"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/graph"
)

func TestFiveVerticesWithAllToAllEdges(t *testing.T) {
	env := stream.NewEnv("scale", nil)
	build(env, 1000)
	sg, err := env.StreamGraph()
	if err != nil {
		t.Fatal(err)
	}
	c, err := graph.Translate(sg)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Job.Vertices); n != 5 {
		t.Errorf("%d vertices, want 5", n)
	}
	for _, v := range c.Job.Vertices {
		for _, e := range v.Inputs {
			if e.Strategy != graph.Rebalance {
				t.Errorf("edge into %s is %s", v.Name, e.Strategy)
			}
		}
	}
}
