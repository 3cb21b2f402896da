// Package web is the REST server of a JobManager: Flink's paths, shapes and status codes (docs/rest.md lists where it
// differs on purpose), over the small interfaces of gateway.go.
//
// A request passes, in this order: limits of the connection (Serve), one middleware that guards everything (guard.go:
// Host allowlist, cross-origin protection, token), the router (route.go), which parses every id in the path before
// anything is looked up, and a handler, which returns a value or an error. Errors become {"errors": [...]} with the
// status of their core.Kind in one place (answer.go).
//
// A Server holds no state of jobs: each answer is made from what the gateways say. It owns the uploaded programs
// (jars.go), the temporary files of uploads, and the child processes that run programs for their plan (plan.go).
// Handlers run on the goroutines of net/http; Close waits for them and for the children.
package web
