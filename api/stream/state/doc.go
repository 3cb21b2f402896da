// Package state holds the handles of keyed state that a processor declares: Value, List, Map, Reducing and
// Aggregating, each with a time to live if wanted.
//
//	type visits struct{ count *state.Value[int64] }
//
//	func (v *visits) State() []state.Descriptor { return []state.Descriptor{v.count} }
//
//	func (v *visits) Process(ctx *stream.Context[string, int64], click Click) error {
//		n, _ := v.count.Ref(ctx)
//		*n++
//		ctx.Emit(*n)
//		return nil
//	}
//
// A handle is made once, where the program is built, and shared by all subtasks: it only describes the state. What it
// describes is found in the context of the call, which also says for which key. A handle that State does not list,
// and access outside the context of a key, panic with an error that says so and fails the attempt.
//
// Only the goroutine of the subtask may use a context. Read descriptor.go first.
package state
