// Package taskexecutor is the endpoint of a TaskManager (S-112 to S-117): it owns the slots (slots.Table), registers
// them at the ResourceManager, offers them to JobMasters, and runs the workers of the jobs that have slots here.
//
// All state belongs to the endpoint's main goroutine. What blocks (calls to other components, questions to workers)
// runs through rpc.Await. Workers tell what happens by WorkerEvents, whose methods post to the mailbox.
//
// Life cycle: New, Start (serves the gateway and begins to register), Done when it gave up or was told to end, Close.
//
// A job lives here from the first RequestSlot until its last slot is free and its JobMaster knows the last state of
// every task (job.go). Its data listener is bound with the first slot, so that the address can be part of the offers;
// its worker starts with the first SubmitTasks and stays until the last slot is freed, also between restarts of its
// tasks. Read next: executor.go, slots.go, job.go, tasks.go.
package taskexecutor
