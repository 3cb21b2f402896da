// Package rpc is how components talk (S-199 to S-220): Endpoint, the main goroutine and mailbox of a component; the
// gateways, one Go interface per component; Service, which hosts endpoints and connects to others; heartbeats and
// registration with backoff. Sub-package wire is the gRPC form of Service, proto holds the messages.
package rpc
