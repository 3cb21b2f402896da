package cluster

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// portUser says which process listens on a TCP port, as far as this user may see that: ", by jobmanager (pid 4711)",
// or nothing (B-19).
func portUser(port int) string {
	inode := listeningInode(port)
	if inode == "" {
		return ""
	}
	want := "socket:[" + inode + "]"
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well formed
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != want {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf(", by %s (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}

// listeningInode finds the socket that listens on port in the kernel's tables.
func listeningInode(port int) string {
	const listening = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		defer f.Close() // two files at most
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			field := strings.Fields(lines.Text())
			if len(field) > 9 && field[3] == listening && strings.HasSuffix(field[1], fmt.Sprintf(":%04X", port)) {
				return field[9]
			}
		}
	}
	return ""
}
