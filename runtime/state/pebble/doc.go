// Package pebble keeps keyed state on local disk, in stores of github.com/cockroachdb/pebble: it is the part of the
// backend "pebble" below graph/keyed, and the only importer of that library.
//
// A Disk belongs to a worker and a Store to one subtask in one attempt. Stores share the memory of their Disk, a cache
// of blocks from which also tables in memory are taken, and its file handles. What is in them lives as long as the
// attempt: nothing is logged, nothing synced, and the directory goes with the Store. A directory that a killed worker
// left behind is removed by the next one that uses the same place.
//
// A Store belongs to the goroutine of its task; the Disk may be used by any.
package pebble
