// Package rpc is how components talk (S-199 to S-220).
//
// An Endpoint is the main goroutine of a component and its mailbox: all state of the component is touched there, and
// Call, Await and After are how work gets there. A gateway (gateway.go) is a Go interface per component, over the
// messages of package proto. A Service hosts the endpoints of a process under names, each with the fencing token of
// its leader session, and connects to those of others: Local does so within one process, package wire over gRPC.
// Monitor watches whether others are alive, by heartbeats and connections; Retry is how one registers at them.
//
// Endpoint, Service and gateways may be used from any goroutine; a Monitor belongs to the main goroutine of its
// endpoint. Whoever makes an Endpoint or a Service closes it: the endpoint's Service first, so that no more calls
// come in. Read endpoint.go and gateway.go next.
package rpc
