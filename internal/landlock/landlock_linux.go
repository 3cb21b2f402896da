package landlock

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Versions of the kernel's interface that brought what is used here.
const (
	abiRefer    = 2 // linking and renaming across directories
	abiTruncate = 3
	abiNet      = 4 // binding and connecting TCP
	abiScope    = 6 // signals and abstract unix sockets
)

// allFS are the file rights of the first version.
const allFS = 1<<13 - 1

// scopeErratum is the bit of the fix without which the threads of one process cannot signal each other across domains.
// The Go runtime does that all the time, to preempt goroutines.
const scopeErratum = 1 << 1

// ReadOnlyThread leaves this thread reading and executing files. Where the kernel can, it takes TCP too, and what
// ScopeThread takes.
func ReadOnlyThread() error {
	abi, err := version()
	if err != nil {
		return err
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: allFS}
	if abi >= abiRefer {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= abiTruncate {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= abiNet {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= abiScope && scopeFixed() {
		attr.Scoped = scope
	}
	return restrict(&attr, func(ruleset int) error {
		return allow(ruleset, "/", unix.LANDLOCK_ACCESS_FS_EXECUTE|unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_READ_DIR)
	})
}

// ScopeThread keeps this thread, and what it starts, from signaling and from tracing other processes than those that
// it starts, and from connecting to abstract unix sockets of others. It needs Linux 6.12 with the fixes of that line.
func ScopeThread() error {
	abi, err := version()
	if err != nil {
		return err
	}
	if abi < abiScope {
		return fmt.Errorf("landlock of this kernel has version %d, signals are in scope from %d (Linux 6.12)", abi, abiScope)
	}
	if !scopeFixed() {
		return errors.New("landlock of this kernel keeps the threads of a process from signaling each other (its erratum 2)")
	}
	attr := unix.LandlockRulesetAttr{Scoped: scope}
	return restrict(&attr, func(int) error { return nil })
}

const scope = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET

// scopeFixed tells whether the kernel has the fix of scopeErratum. One that does not know the question has not.
func scopeFixed() bool {
	errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	return errno == 0 && errata&scopeErratum != 0
}

func firstThread() bool { return unix.Gettid() == unix.Getpid() }

func version() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("landlock: %w", errno)
	}
	return int(abi), nil
}

// restrict makes a ruleset of what is taken away, lets rules give some of it back, and enforces it.
func restrict(attr *unix.LandlockRulesetAttr, rules func(ruleset int) error) error {
	// Older kernels take a shorter attribute as long as what they do not know is zero, also when it is longer.
	size := unsafe.Offsetof(attr.Quiet_access_fs)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: making a ruleset: %w", errno)
	}
	defer func() { _ = unix.Close(int(fd)) }()
	if err := rules(int(fd)); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: restricting the thread: %w", errno)
	}
	return nil
}

func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("landlock: opening %s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: adding a rule for %s: %w", path, errno)
	}
	return nil
}
