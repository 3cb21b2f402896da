package main

import (
	"encoding/json"
	"io"

	"github.com/flink-go/flink-go/graph"
)

// planNode is a node of the plan as Flink's info prints it.
type planNode struct {
	ID           string     `json:"id"`
	Type         string     `json:"type"`
	Pact         string     `json:"pact"`
	Contents     string     `json:"contents"`
	Parallelism  int        `json:"parallelism"`
	Predecessors []planEdge `json:"predecessors,omitempty"`
}

type planEdge struct {
	ID           string `json:"id"`
	ShipStrategy string `json:"ship_strategy"`
	Side         string `json:"side"`
}

func printPlanJSON(w io.Writer, g *graph.JobGraph) error {
	nodes := []planNode{}
	for _, v := range g.Vertices {
		n := planNode{ID: v.ID.String(), Type: v.Name, Pact: "Operator", Contents: v.Name, Parallelism: v.Parallelism}
		if v.Source {
			n.Pact = "Data Source"
		}
		for _, in := range v.Inputs {
			side := "first"
			if in.Input == 1 {
				side = "second"
			}
			n.Predecessors = append(n.Predecessors, planEdge{ID: in.Source.String(), ShipStrategy: string(in.Strategy), Side: side})
		}
		nodes = append(nodes, n)
	}
	return json.NewEncoder(w).Encode(map[string]any{"nodes": nodes})
}
