package web

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// executable is the path of an open file for exec: what was opened is what runs, whatever its name points to by then.
// The child resolves it for itself, before its copy of the descriptor closes.
func executable(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// childAttributes put the child into a group of its own and make it die with the thread that started it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// confineThread takes from this thread, and so from what it starts, its network and every write to files. The thread
// cannot get them back: it must end with its goroutine.
func confineThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	var errs []error
	// An empty network namespace has not even loopback up. Only root, or a user namespace, may make one; a thread of
	// a process with many cannot enter a user namespace, so it is root alone here.
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		errs = append(errs, fmt.Errorf("network namespace: %w", err))
	}
	if err := readOnlyThread(); err != nil {
		errs = append(errs, fmt.Errorf("landlock: %w", err))
	}
	return errors.Join(errs...)
}

// Access rights of landlock(7), by the ABI version that brought them.
const (
	landlockExecute  = unix.LANDLOCK_ACCESS_FS_EXECUTE
	landlockReadFile = unix.LANDLOCK_ACCESS_FS_READ_FILE
	landlockReadDir  = unix.LANDLOCK_ACCESS_FS_READ_DIR

	landlockFS1 = 1<<13 - 1 // all of the first version
	landlockNet = 3         // binding and connecting TCP, from version 4
)

// readOnlyThread allows reading and executing below / and nothing else.
func readOnlyThread() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return errno
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: landlockFS1}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if abi >= 2 {
		attr.Handled_access_fs |= 1 << 13 // linking and renaming across directories
	}
	if abi >= 3 {
		attr.Handled_access_fs |= 1 << 14 // truncating
	}
	if abi >= 4 {
		attr.Handled_access_net = landlockNet
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	if err := allow(int(ruleset), "/", landlockExecute|landlockReadFile|landlockReadDir); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// limitChild bounds memory, processor time, descriptors and files of a child that has just started.
func limitChild(pid int) error {
	var errs []error
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_DATA:   planMemory,
		unix.RLIMIT_CPU:    uint64(planDeadline.Seconds()),
		unix.RLIMIT_NOFILE: planFiles,
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_FSIZE:  0,
	} {
		err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: limit, Max: limit}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended already
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// killGroup kills a child and all that it started.
func killGroup(p *os.Process) error {
	if err := unix.Kill(-p.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
