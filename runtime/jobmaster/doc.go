// Package jobmaster is the endpoint that runs one job (S-085, S-087): a thin shell around the pure cores scheduler and
// slots.Pool. It registers at the ResourceManager and declares what the job needs, takes slot offers of TaskManagers,
// deploys, follows the states of the subtasks, hands out the splits of sources and restarts what fails.
//
// All state is touched on the main goroutine of its rpc.Endpoint only. Calls to a TaskManager leave in order, one at a
// time, through that TaskManager's outbox, so that no cancel overtakes its deployment.
//
// Life cycle: New checks the job, Start serves the endpoint and asks for slots, Done is closed when the job has ended
// and its slots were given back, Close ends the endpoint. Snapshot and Wait answer after the end too.
//
// Read jobmaster.go first, then effects.go.
package jobmaster
