// Package blob keeps programs and artifacts by the SHA-256 of their content (SEC-25): Store is a directory of them,
// Server hands them out to TaskManagers, Cache is the TaskManagers' side.
//
// A blob is checked whenever its bytes move: while it is stored, while it is fetched, and before it is run. All types
// may be used from any goroutine; none has goroutines of its own. Two processes may share a Store's directory.
package blob
