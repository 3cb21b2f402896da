// Package rest is the REST API of a JobManager: the JSON types of its answers, in Flink's shapes, and a Go client. The
// server (package web), the CLI, api/job and the tests share the types; nobody else talks to a cluster in another way.
//
// The answers have exactly Flink's fields, because Flink's own clients read them. What flink-go adds has paths of its
// own: /jobs/:jobid/progress and /blobs/:key.
//
// A Client may be used from any goroutine and holds no state but idle connections. Read client.go for how it tries
// again, submit.go for a submission, types.go and the files beside it for the answers.
package rest
