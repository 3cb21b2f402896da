// Package runtime is the map of what is below it; it holds no code.
//
//	dispatcher       accepts jobs, starts one JobMaster each
//	resourcemanager  registers TaskExecutors, matches slots and requirements
//	jobmaster        runs one job
//	taskexecutor     owns the slots and the worker processes of a TaskManager
//	metrics          answers metric queries of a process
//	worker           the process that runs the subtasks of one job
//	task             one subtask: mailbox, operator chain, timers
//	network          the TCP data plane between workers
//	blob             programs and artifacts by SHA-256
//	driver           more or fewer TaskManagers
//	cluster          wires all of it into session, per-job and embedded clusters
package runtime
