//go:build !linux

package network

import (
	"io"
	"net"
)

func quickIO(nc net.Conn) (io.Reader, io.Writer) { return nc, nc }
