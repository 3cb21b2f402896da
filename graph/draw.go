package graph

import (
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/flink-go/flink-go/core"
)

// Draw writes the graph as text for people: each vertex with the tree of its chain, and above it the edges that lead
// there.
func Draw(w io.Writer, g *JobGraph) error {
	numbers := map[string]int{}
	tasks := 0
	for i, v := range g.Vertices {
		numbers[v.ID.String()] = i + 1
		tasks += v.Parallelism
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s\n", g.Name, plural(len(g.Vertices), "vertex", "vertices"), plural(tasks, "task", "tasks"))
	for i, v := range g.Vertices {
		b.WriteByte('\n')
		for _, e := range v.Inputs {
			fmt.Fprintf(&b, "     | %s of %s from [%d]\n", e.Strategy, e.Type, numbers[e.Source.String()])
		}
		if len(v.Inputs) > 0 {
			b.WriteString("     v\n")
		}
		number := fmt.Sprintf("[%d] ", i+1)
		lines := strings.Split(strings.TrimSuffix(v.Description, "<br/>"), "<br/>")
		for k, l := range lines {
			l = html.UnescapeString(l)
			if k == 0 {
				l = fmt.Sprintf("%s  (%s)", l, v.about(g))
			}
			fmt.Fprintf(&b, "%*s%s\n", len(number), number, l)
			number = strings.Repeat(" ", len(number))
		}
	}
	for _, warning := range g.Warnings {
		fmt.Fprintf(&b, "\nwarning: %s\n", warning)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("draw job graph: %w", err)
	}
	return nil
}

// about is what Draw says about a vertex besides its chain.
func (v *JobVertex) about(g *JobGraph) string {
	s := fmt.Sprintf("parallelism %d", v.Parallelism)
	if v.SlotSharingGroup != DefaultSlotSharingGroup {
		s += ", slot sharing group " + v.SlotSharingGroup
	}
	if v.MaxParallelism != g.Config.MaxParallelism && v.MaxParallelism != core.DefaultMaxParallelismFor(v.Parallelism) {
		s += fmt.Sprintf(", max %d", v.MaxParallelism)
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
