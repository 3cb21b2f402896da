package graph

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flink-go/flink-go/core"
)

// Quotas of a job (SEC-22).
const (
	MaxVertices   = 10_000
	MaxNameLength = 256 // bytes
)

// Fault is a mistake in a program, with the place of the verb.
type Fault struct {
	Position string // file:line, may be empty
	Text     string
}

func (f Fault) String() string {
	if f.Position == "" {
		return f.Text
	}
	return f.Position + ": " + f.Text
}

// Faults are all mistakes of one program; as an error they are listed one per line.
type Faults []Fault

func (f Faults) Error() string {
	if len(f) == 1 {
		return "the program has a fault: " + f[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the program has %d faults:", len(f))
	for _, x := range f {
		b.WriteString("\n  ")
		b.WriteString(x.String())
	}
	return b.String()
}

// CheckName tells whether a name or uid can be stored and shown: not empty, valid UTF-8 without control characters,
// at most 256 bytes (B-38).
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > MaxNameLength:
		return fmt.Errorf("%q... has %d bytes, at most %d are allowed", cut(name, 32), len(name), MaxNameLength)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not valid UTF-8", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q has control characters", name)
	}
	return nil
}

// cut returns the first n bytes of s at most, whole characters only.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Faults returns what makes the program impossible to run, in the order of its verbs.
func (g *StreamGraph) Faults() Faults {
	var faults Faults
	add := func(n *StreamNode, format string, args ...any) {
		faults = append(faults, Fault{n.Position, fmt.Sprintf(format, args...)})
	}
	if err := CheckName(g.Name); err != nil {
		faults = append(faults, Fault{Text: fmt.Sprintf("job name: %v", err)})
	}
	sources, sinks := 0, 0
	uids := map[string]*StreamNode{}
	for _, n := range g.Nodes {
		switch n.Kind {
		case Source:
			sources++
		case Sink:
			sinks++
		default:
		}
		if n.UID != "" {
			if first := uids[n.UID]; first != nil {
				add(n, "uid %q is used twice, first at %s", n.UID, first.Position)
			} else {
				uids[n.UID] = n
			}
		}
		p, limit := g.parallelism(n), g.maxParallelism(n)
		switch {
		case p < 1:
			add(n, "%q has parallelism %d, want at least 1", n.Name, p)
		case limit < 1 || limit > core.UpperMaxParallelism:
			add(n, "%q has max parallelism %d, want 1 to %d", n.Name, limit, core.UpperMaxParallelism)
		case p > limit:
			add(n, "%q has parallelism %d, its max parallelism is %d", n.Name, p, limit)
		}
		for _, e := range n.Inputs {
			if e.Source.Index >= n.Index || e.Source.Index < 0 || g.Nodes[e.Source.Index] != e.Source {
				add(n, "%q reads from an operator that does not come before it", n.Name)
				continue
			}
			if up := g.parallelism(e.Source); e.Strategy == Forward && up != p {
				add(n, "forward from %q with parallelism %d to %q with parallelism %d: they must be equal", e.Source.Name, up, n.Name, p)
			}
		}
		if n.Kind != Source && len(n.Inputs) == 0 {
			add(n, "%q has no input", n.Name)
		}
	}
	if sources == 0 {
		faults = append(faults, Fault{Text: "it has no source: begin with From"})
	}
	if sinks == 0 {
		faults = append(faults, Fault{Text: "it has no sink: end with To, ForEach or Discard"})
	}
	return faults
}

// parallelism is the number of subtasks of n.
func (g *StreamGraph) parallelism(n *StreamNode) int {
	if n.Parallelism != 0 {
		return n.Parallelism
	}
	return g.Config.Parallelism
}

// maxParallelism is the number of key groups of n.
func (g *StreamGraph) maxParallelism(n *StreamNode) int {
	if n.MaxParallelism != 0 {
		return n.MaxParallelism
	}
	if g.Config.MaxParallelism != 0 {
		return g.Config.MaxParallelism
	}
	return core.DefaultMaxParallelismFor(g.parallelism(n))
}
