// Package sim runs a whole cluster of real endpoints (Dispatcher, ResourceManager, JobMasters, TaskExecutors) in a
// testing/synctest bubble over a network whose every message, and workers whose every step, wait until the driver lets
// them go. The driver chooses by a seed what happens next: deliver, lose, repeat, fail a task, kill a TaskManager.
//
// A run is single-threaded in effect: the driver releases one thing, waits until the bubble is quiet (synctest.Wait),
// checks what must always hold, and goes on. A failing run prints its seed. The same seed takes the same decisions unless
// two goroutines of one component race within one step: most seeds repeat exactly, a few only mostly.
package sim
