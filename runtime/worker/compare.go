package worker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// CompareGraphs returns nil when the graph that a program built here is the one that was submitted. Otherwise the
// program did not do the same again, and the error names the first difference (B-39).
func CompareGraphs(submitted, own *graph.JobGraph) error {
	if submitted.Version == own.Version && submitted.Hash == own.Hash {
		return nil
	}
	what, was, is := firstDifference(submitted, own)
	return core.E("build the job graph in the worker", core.Invalid, submitted.ID.String(), fmt.Errorf(
		"it differs from the submitted one in %s: submitted %s, here %s. The program must build the same graph each "+
			"time it runs: the order of a map, the time, random numbers or the environment must not decide about it", what, was, is))
}

func firstDifference(a, b *graph.JobGraph) (what, was, is string) {
	if a.Version != b.Version {
		return "the format version", strconv.Itoa(a.Version), strconv.Itoa(b.Version)
	}
	for i := range min(len(a.Vertices), len(b.Vertices)) {
		if what, was, is = vertexDifference(&a.Vertices[i], &b.Vertices[i]); what != "" {
			return fmt.Sprintf("vertex %d (%s): %s", i, Clip(a.Vertices[i].Name, 200), what), was, is
		}
	}
	if x, y := len(a.Vertices), len(b.Vertices); x != y {
		longer := a.Vertices
		if y > x {
			longer = b.Vertices
		}
		return fmt.Sprintf("the number of vertices, vertex %d is %q", min(x, y), Clip(longer[min(x, y)].Name, 200)),
			strconv.Itoa(x), strconv.Itoa(y)
	}
	if what, was, is = configDifference(a.Config, b.Config); what != "" {
		return what, was, is
	}
	return "the hash", a.Hash, b.Hash
}

func vertexDifference(a, b *graph.JobVertex) (what, was, is string) {
	for i := range min(len(a.Operators), len(b.Operators)) {
		x, y := a.Operators[i], b.Operators[i]
		if what, was, is = differs(
			field("name", x.Name, y.Name),
			field("uid", x.UID, y.UID),
			field("id", x.ID, y.ID),
			field("stateful", x.Stateful, y.Stateful),
			field("coordinated", x.Coordinated, y.Coordinated),
		); what != "" {
			return fmt.Sprintf("operator %d (%s): %s", i, Clip(x.Name, 200), what), was, is
		}
	}
	if what, was, is = differs(
		field("the number of operators", len(a.Operators), len(b.Operators)),
		field("name", a.Name, b.Name),
		field("parallelism", a.Parallelism, b.Parallelism),
		field("max parallelism", a.MaxParallelism, b.MaxParallelism),
		field("slot sharing group", a.SlotSharingGroup, b.SlotSharingGroup),
		field("source", a.Source, b.Source),
		field("the number of inputs", len(a.Inputs), len(b.Inputs)),
	); what != "" {
		return what, was, is
	}
	for i := range a.Inputs {
		x, y := a.Inputs[i], b.Inputs[i]
		if what, was, is = differs(
			field("record type", x.Type, y.Type),
			field("schema of the record type", x.Schema, y.Schema),
			field("ship strategy", x.Strategy, y.Strategy),
			field("source vertex", x.Source, y.Source),
			field("output", x.Output, y.Output),
			field("input", x.Input, y.Input),
		); what != "" {
			return fmt.Sprintf("input %d: %s", i, what), was, is
		}
	}
	return differs(
		field("id", a.ID, b.ID),
		field("description", a.Description, b.Description),
	)
}

func configDifference(a, b graph.JobConfig) (what, was, is string) {
	if what, was, is = differs(
		field("parallelism", a.Parallelism, b.Parallelism),
		field("max parallelism", a.MaxParallelism, b.MaxParallelism),
		field("buffer timeout", a.BufferTimeout, b.BufferTimeout),
		field("restart strategy", a.Restart, b.Restart),
		field("runtime mode", a.RuntimeMode, b.RuntimeMode),
		field("state backend", a.StateBackend, b.StateBackend),
		field("object reuse", a.ObjectReuse, b.ObjectReuse),
		field("failover strategy", a.Failover, b.Failover),
		field("chaining", a.Chaining, b.Chaining),
	); what != "" {
		return "the configuration: " + what, was, is
	}
	keys := slices.Collect(maps.Keys(a.Params))
	for k := range b.Params {
		if _, ok := a.Params[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		x, inA := a.Params[k]
		y, inB := b.Params[k]
		if x != y || inA != inB {
			// A parameter may be a secret: its value is not for an error that everybody can read.
			return fmt.Sprintf("the configuration: parameter %q", Clip(k, 200)), presence(inA, "one value"), presence(inB, "another")
		}
	}
	return "", "", ""
}

func presence(there bool, value string) string {
	if there {
		return value
	}
	return "none"
}

type fieldDifference struct{ what, was, is string }

func field[T comparable](what string, a, b T) fieldDifference {
	if a == b {
		return fieldDifference{}
	}
	return fieldDifference{what, show(a), show(b)}
}

func show(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(Clip(s, 200))
	}
	return Clip(fmt.Sprint(v), 200)
}

func differs(fields ...fieldDifference) (what, was, is string) {
	for _, f := range fields {
		if f.what != "" {
			return f.what, f.was, f.is
		}
	}
	return "", "", ""
}
