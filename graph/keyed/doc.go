// Package keyed holds the heap tables of keyed state: typed, by value, divided into the key groups that a subtask
// owns.
//
// A table belongs to one task and is touched by that task's goroutine only. It is made when the operator opens and
// lives as long as the attempt.
//
// Per key group there are slots, 8 bytes each, that hold 32 bits of the hash and the number of an entry, and entries,
// key and value by value in chunks that never move. So growth moves slots only and never looks at a key, a *V stays
// valid until its entry is deleted, values without pointers cost the garbage collector nothing, and a snapshot can
// later be written chunk by chunk while the table is in use. docs/design/codecs-and-tables.md has the reasons.
package keyed
