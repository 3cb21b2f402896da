package task

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
)

// failureOf names the operator in which err happened, unless err does so itself.
func (t *Task) failureOf(n *node, err error) error {
	if _, ok := errors.AsType[*operator.Failure](err); ok {
		return err
	}
	return core.E("", core.UserCode, "", &operator.Failure{Operator: n.stream.Name, Err: err})
}

// badInput says that a peer sent what it must not send.
func (t *Task) badInput(err error) error {
	return core.E("read input of task", core.Internal, t.cfg.Attempt.String(), err)
}

// panicked makes the failure of a panic. It is called by the deferred function that recovered it, so that the stack
// is still there.
func (t *Task) panicked(p any) error {
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	}
	name := t.vertex.Name
	err = fmt.Errorf("panic: %w", err)
	if i := int(t.active); i >= 0 && i < len(t.nodes) && t.nodes[i] != nil {
		name = t.nodes[i].stream.Name
		err = t.nodes[i].context.AtKey(err)
	}
	return core.E("", core.UserCode, "", &operator.Failure{Operator: name, Err: err, Stack: userStack(panicStack(), p)})
}

// engine lists the packages that are below user code on a task's stack.
var engine = [...]string{
	"runtime/task.", "runtime/network.", "graph/operator.", "graph/keyed.", "graph/codec.", "api/stream.", "api/stream/window.",
}

// handles is the package through which user code reaches its state: between functions of the program.
const handles = "api/stream/state."

// panicStack is the stack of the panic that is being handled, the innermost function first.
func panicStack() []runtime.Frame {
	var pcs [256]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	var all []runtime.Frame
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			all = all[:0] // what came so far is the handling, not the cause
		} else {
			all = append(all, f)
		}
		if !more {
			return all
		}
	}
}

// userStack prints the stack of a panic from the innermost function of the program down to where the engine called
// it. An error that the engine panics with says what the program did wrong: where in the engine is of no interest then,
// and if no function of the program was under way there is nothing to print.
func userStack(all []runtime.Frame, p any) string {
	// Skip what the runtime and the standard library add on top, but keep everything if nothing else is there.
	first := 0
	info, _ := debug.ReadBuildInfo()
	for first < len(all) && !program(all[first].Function, info) {
		first++
	}
	if first == len(all) {
		first = 0
	} else if sentence(p) {
		for first < len(all) && (ofEngine(all[first].Function) || of(all[first].Function, handles)) {
			first++
		}
		// Below the engine's last function the process itself begins.
		if first == len(all) || !program(all[first].Function, info) {
			return ""
		}
	}
	last := first + 1
	for last < len(all) && !ofEngine(all[last].Function) {
		last++
	}
	var b strings.Builder
	for _, f := range all[first:min(last, len(all))] {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// program tells whether a function is of the program or of a module that it uses, and not of the standard library.
// Its import path alone does not say: a module may be called anything.
func program(function string, info *debug.BuildInfo) bool {
	if strings.HasPrefix(function, "main.") || info == nil {
		return true
	}
	in := func(module string) bool {
		rest, ok := strings.CutPrefix(function, module)
		return ok && module != "" && rest != "" && (rest[0] == '/' || rest[0] == '.' || rest[0] == '_')
	}
	return in(info.Main.Path) || slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return in(m.Path) })
}

func ofEngine(function string) bool {
	return slices.ContainsFunc(engine[:], func(p string) bool { return of(function, p) })
}

// of tells whether a function is of a package of this module.
func of(function, pkg string) bool {
	rest, ok := strings.CutPrefix(function, "github.com/flink-go/flink-go/")
	return ok && strings.HasPrefix(rest, pkg)
}

// sentence tells whether what a panic carries is an error that somebody wrote, and not one of the Go runtime.
func sentence(p any) bool {
	err, ok := p.(error)
	if !ok {
		return false
	}
	_, ok = errors.AsType[runtime.Error](err)
	return !ok
}
