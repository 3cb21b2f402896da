package web

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Numbers of the ELF format.
const (
	elfHeaderSize  = 64
	elfClass64     = 2
	elfLittle      = 1
	elfExec        = 2
	elfShared      = 3 // also a position-independent executable
	elfInterp      = 3 // type of the program header that names the dynamic linker
	elfProgramSize = 56
	maxPrograms    = 128
	maxInterp      = 4096
)

// elfMachine is the e_machine of a GOARCH.
func elfMachine(arch string) uint16 {
	switch arch {
	case "amd64":
		return 62
	case "arm64":
		return 183
	}
	return 0
}

func machineName(m uint16) string {
	for _, arch := range []string{"amd64", "arm64"} {
		if elfMachine(arch) == m {
			return arch
		}
	}
	return fmt.Sprintf("machine %d", m)
}

// checkBinary refuses what TaskManagers of this platform cannot run (B-26). It reads a header and one list, never
// more than their limits, because the file is foreign.
func checkBinary(r io.ReaderAt, size int64) error {
	if size == 0 {
		return errors.New("the program is empty: 0 bytes")
	}
	var head [elfHeaderSize]byte
	n, err := r.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if runtime.GOOS != "linux" {
		return nil // its loader knows
	}
	want := "expected an executable for linux/" + runtime.GOARCH + " (CGO_ENABLED=0 go build)"
	switch {
	case bytes.HasPrefix(head[:n], []byte("#!")):
		return errors.New("the program is a script; " + want)
	case bytes.HasPrefix(head[:n], []byte("PK\x03\x04")):
		return errors.New("the program is a zip or a JAR of Java; " + want)
	case bytes.HasPrefix(head[:n], []byte("MZ")):
		return errors.New("the program is for Windows; " + want)
	case bytes.HasPrefix(head[:n], []byte("\xcf\xfa\xed\xfe")):
		return errors.New("the program is for macOS; " + want)
	case n < elfHeaderSize || !bytes.HasPrefix(head[:n], []byte("\x7fELF")):
		return errors.New("the program is not an ELF executable; " + want)
	case head[4] != elfClass64 || head[5] != elfLittle:
		return errors.New("the program is not a 64-bit little-endian one; " + want)
	}
	le := binary.LittleEndian
	if m := le.Uint16(head[18:]); m != elfMachine(runtime.GOARCH) {
		return fmt.Errorf("the program is for %s; %s", machineName(m), want)
	}
	if t := le.Uint16(head[16:]); t != elfExec && t != elfShared {
		return errors.New("the program is an object file or a core dump; " + want)
	}
	linker, err := elfLinker(r, size, le.Uint64(head[32:]), le.Uint16(head[54:]), le.Uint16(head[56:]))
	if err != nil {
		return fmt.Errorf("the program is damaged: %w; %s", err, want)
	}
	if linker == "" {
		return nil
	}
	if _, err := os.Stat(linker); err != nil {
		return fmt.Errorf("the program is linked dynamically and %s is not here; %s", show(linker), want)
	}
	return nil
}

// elfLinker is the dynamic linker that a program wants, "" if it is linked statically.
func elfLinker(r io.ReaderAt, size int64, offset uint64, entry, count uint16) (string, error) {
	if count == 0 || count > maxPrograms || entry != elfProgramSize || offset > uint64(size) ||
		offset+uint64(count)*elfProgramSize > uint64(size) {
		return "", errors.New("its program headers are out of bounds")
	}
	table := make([]byte, int(count)*elfProgramSize)
	if _, err := r.ReadAt(table, int64(offset)); err != nil {
		return "", err
	}
	le := binary.LittleEndian
	for p := range int(count) {
		h := table[p*elfProgramSize:]
		if le.Uint32(h) != elfInterp {
			continue
		}
		at, length := le.Uint64(h[8:]), le.Uint64(h[32:])
		if length == 0 || length > maxInterp || at > uint64(size) || at+length > uint64(size) {
			return "", errors.New("the name of its dynamic linker is out of bounds")
		}
		name := make([]byte, length)
		if _, err := r.ReadAt(name, int64(at)); err != nil {
			return "", err
		}
		return strings.TrimRight(string(name), "\x00"), nil
	}
	return "", nil
}
