//go:build !linux

package network

import (
	"io"
	"net"
)

// rawIO exists on Linux only.
type rawIO struct {
	io.Reader
	waited bool
}

func quickIO(nc net.Conn) (io.Reader, io.Writer) { return nc, nc }
