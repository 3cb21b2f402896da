// Package keyed holds the keyed state of an operator in one subtask: typed, by value, divided into the key groups that
// the subtask owns, on the heap or on disk.
//
// A Backend is made by the task and knows every state by name. An operator that knows the types of its keys and values
// takes a Store. One whose states are declared by others takes Rows: SetKey makes a key the current one, and all
// Values, Lists, Maps and Timers that are bound to its Scope speak of that key. One look-up per record serves all.
//
// Everything belongs to the task and is touched by the task's goroutine only. It is made when the operator opens and
// lives as long as the attempt. What is wrong with a type or a name is an error of the constructor. What goes wrong
// later (no current key, a key of another subtask, a fault of the disk) is a panic with an error, which fails the
// attempt: the path of a record checks no errors.
//
// On the heap nothing that lies in a table, a list or a map moves, keys and values without pointers cost the garbage
// collector nothing, and what is deleted makes room for the next. docs/design/state.md has the reasons; read rows.go
// and column.go first, table.go and arena.go for how entries lie in memory.
package keyed
