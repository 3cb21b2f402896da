// Package landlock takes rights from one thread, and so from the processes that it starts from then on, by means of
// landlock(7). It needs no privileges. A thread cannot get back what was taken: it must be locked to a goroutine that
// ends with it, and it must not be the first thread of its process, which stands for the whole process when others
// signal or inspect it.
package landlock
