package cluster

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
)

// listen binds the first free port of ports on host. key is the option that the ports come from, for the error.
func listen(host string, ports conf.Ports, key string) (net.Listener, error) {
	var last error
	for _, port := range ports.All() {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, core.E("listen", core.Invalid, net.JoinHostPort(host, strconv.Itoa(port)), fmt.Errorf("%s: %w", key, err))
		}
		last = fmt.Errorf("port %d is in use%s", port, portUser(port))
	}
	if last == nil {
		last = errors.New("no port given")
	}
	if all := ports.All(); len(all) > 1 {
		last = fmt.Errorf("no port of %s is free; the last: %w", ports, last)
	}
	return nil, core.E("listen", core.Conflict, host, fmt.Errorf("%s: %w", key, last))
}

// onePort is the set that holds port alone.
func onePort(port int) conf.Ports { return conf.Ports{{From: port, To: port}} }
