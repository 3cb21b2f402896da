package landlock

import "runtime"

// Thread calls fn on a thread of its own, which is not the first of the process and ends with the call.
func Thread(fn func()) {
	done := make(chan struct{})
	go func() { // ends with fn
		defer close(done)
		// Not unlocked: the thread ends with the goroutine and takes with it what was taken from it.
		runtime.LockOSThread()
		if !firstThread() {
			fn()
			return
		}
		Thread(fn) // elsewhere, as this one is taken
		runtime.UnlockOSThread()
	}()
	<-done
}
