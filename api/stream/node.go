package stream

import (
	"cmp"
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"unicode"

	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/graph/operator"
)

// node is a StreamNode while the program is built.
type node struct {
	graph.StreamNode
	env  *Env
	only int // the only parallelism at which it can run, 0 if any
	// eventTime is the *WatermarkStrategy[T] of a source of T, nil if EventTime was not called on it.
	eventTime any
	sides     *[]sideTag // side outputs that the program reads; nil if the operator has none

	onError *ErrorPolicy // nil: that of the Env
	guards  []inputGuard // of each input
	inFront *node        // an operator of the same verb that shares the policy; nil: none
}

// add appends a node for the verb that the program called.
func (e *Env) add(kind graph.NodeKind, verb, name string) *node {
	n := &node{env: e, StreamNode: graph.StreamNode{Index: len(e.nodes), Kind: kind, Verb: verb, Name: name, Position: position()}}
	e.nodes = append(e.nodes, n)
	return n
}

// fault reports a fault at the call of the program that is being served.
func (e *Env) fault(format string, args ...any) {
	e.faults = append(e.faults, graph.Fault{Position: position(), Text: faultText(format, args...)})
}

// fault reports a fault of the verb that made the node.
func (n *node) fault(format string, args ...any) {
	n.env.faults = append(n.env.faults, graph.Fault{Position: n.Position, Text: faultText(format, args...)})
}

func faultText(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// output adds an output of record type T.
func output[T any](n *node) {
	t, err := operator.TypeOf[T]()
	if err != nil {
		n.fault("%s: %v", n.Verb, err)
		return
	}
	n.Outputs = append(n.Outputs, t)
}

// link makes s an input of n.
func link[T any](n *node, input int, s *Stream[T]) {
	guardInput[T](n, input)
	for _, p := range s.parts {
		if p.node.env != n.env {
			n.fault("%s: the input belongs to another Env", n.Verb)
			continue
		}
		n.Inputs = append(n.Inputs, graph.StreamEdge{Source: &p.node.StreamNode, Output: p.output, Input: input,
			Strategy: p.strategy, Partition: p.partition})
	}
}

// Functions of these packages are not where a program calls a verb.
const (
	self    = "github.com/flink-go/flink-go/api/stream."
	windows = "github.com/flink-go/flink-go/api/stream/window."
)

// position is file:line of the call into this package or its libraries: the file with its folder, which is the same on
// every machine.
func position() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, self) && !strings.HasPrefix(f.Function, windows) {
			dir, file := path.Split(f.File)
			return path.Join(path.Base(dir), file) + ":" + strconv.Itoa(f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// cleanName makes what a connector calls itself, perhaps after a path, fit to be a name.
func cleanName(name, otherwise string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if len(name) > graph.MaxNameLength {
		name = strings.ToValidUTF8(name[:graph.MaxNameLength-3], "") + "..."
	}
	return cmp.Or(name, otherwise)
}

// sinkName derives a name from the function that opens a sink: "Print" of stdio.Print, "Lines" of what
// file.Lines(dir) returned. The name is for people: no id depends on it.
func sinkName[T any](sink Sink[T]) string {
	if sink == nil {
		return "Sink"
	}
	name := runtime.FuncForPC(reflect.ValueOf(sink).Pointer()).Name()
	name = strings.ReplaceAll(name[strings.LastIndexByte(name, '/')+1:], "[...]", "")
	parts := strings.Split(name, ".")
	for i := len(parts) - 1; i > 0; i-- {
		if c := parts[i][:min(1, len(parts[i]))]; c >= "A" && c <= "Z" {
			return parts[i]
		}
	}
	return "Sink"
}
