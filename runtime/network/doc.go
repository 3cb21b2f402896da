// Package network is the data plane of one worker process: it moves batches and frames between the subtasks of a job
// without knowing their record types.
//
// A consumer task owns a Gate, the queue of everything that concerns it; a producer task owns an Outlet for each edge
// that leaves it. They meet in exchanges, one for each output edge: a consumer enters itself once, and a producer
// looks its consumer up when it has the first record for it. Nothing is made for a pair of producer and consumer
// before it carries data. Inside the process a batch goes into the consumer's gate by pointer; between workers frames
// travel over one TCP connection per pair of workers, which the consumer's side dials (S-117).
//
// Goroutines: one accepts connections, one looks for stalled writes, and each connection has one that reads. Writing
// is done by the tasks themselves. Everything a reader goroutine does is bounded and never waits for a task.
//
// Read gate.go and exchange.go for one process, then conn.go for two, peer.go for how they find each other.
package network
