// Package graph holds what a job is before it runs: the StreamGraph that the API builds, one node per verb of the
// program with the factory of its operator, and the JobGraph made from it, whose vertices are chains of operators.
// A JobGraph carries no code and is the only thing that crosses a process border: a worker builds the same
// StreamGraph by running the same program, translates it the same way, compares the hash, and so finds the operators
// of each vertex by id.
//
// Everything here is built by one goroutine and read-only afterwards. Sub-package operator is the contract between
// what the API builds and what a task runs.
package graph
