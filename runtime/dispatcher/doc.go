// Package dispatcher owns the jobs of a cluster: it accepts JobGraphs, starts a JobMaster for each, and keeps what is
// left of ended ones (S-083, S-109, S-136).
//
// The Dispatcher is an rpc.Endpoint: every field of it is touched on its main goroutine only, and the methods of
// rpc.DispatcherGateway may be called from any. A jobManagerRunner stands for one job from its submission to its end
// (S-197); whatever happens to its JobMaster ends that job and no other. Ended jobs live in the archive as bytes,
// bounded by age, number and size.
//
// The package knows neither how a JobMaster is made nor where graphs are kept: runtime/cluster passes both in. Read
// dispatcher.go first, then runner.go and archive.go; check.go says which graphs are refused.
package dispatcher
