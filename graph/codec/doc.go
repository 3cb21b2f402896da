// Package codec turns records into bytes and keys into hashes.
//
// For compiles a plan for a record type once, by reflection: a flat list of steps with the offsets of the fields.
// Encoding and decoding walk that list with pointer arithmetic, so that no reflection happens per record (maps other
// than the common ones are the exception). A type that has no codec is refused when the graph is built, with the
// path of the field: "Order.Lines[].Ch: chan int". There is no fallback.
//
// HashFor compiles a hash function of a key type in the same way. Its results are the same in every process and on
// every machine, because they decide which subtask owns a key.
//
// The byte format is described in docs/design/codecs-and-tables.md and held by golden files in testdata. Decoding
// trusts nothing: every length is compared with what is left before memory is made for it.
//
// Everything here is immutable after it was made and may be used from any goroutine. Read codec.go first, then
// plan.go; encode.go and decode.go are the two loops.
package codec
