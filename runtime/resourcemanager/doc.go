// Package resourcemanager is the ResourceManager (S-092, S-210): the endpoint where TaskExecutors and JobMasters
// register, that knows all slots by its slots.Manager, has slots given to jobs, and more or fewer TaskManagers started
// by its driver.
//
// All state belongs to the main goroutine of the endpoint. Decisions are made by slots.Manager, a pure core; this
// package carries its effects out: calls to TaskExecutors and to the driver run beside, by rpc.Await. Its life is one
// leader session: a new leader makes a new one, with a new token.
package resourcemanager
