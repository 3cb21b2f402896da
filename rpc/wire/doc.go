// Package wire is rpc.Service over gRPC: one server that hosts all endpoints of a process (S-216), and pooled
// connections to other servers. Endpoint name and fencing token travel as metadata and are checked before a message
// is decoded; errors keep their core.Kind, ID and text. It is the only package that knows gRPC, and it holds the
// limits of SEC-10.
//
// All of it may be used from any goroutine. Close ends the server, its handlers and the connections, and waits.
package wire
