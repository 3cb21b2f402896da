// Package keyedtest holds what every backend of keyed state must do: the same laws and tests for state on the heap, and
// on disk with memory for all of it or for next to none.
package keyedtest
