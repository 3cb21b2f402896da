package main

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/runtime/cluster"
)

// config loads the configuration in force for this command.
func (a *app) config(more ...string) (*conf.Config, error) {
	dir := a.configDir
	if dir == "" {
		dir = conf.Dir(a.environ)
	}
	c, err := conf.Load(dir, a.environ, slices.Concat(a.defines, more))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// address is the REST address to talk to: -m, else what is configured, else the cluster that was started on this
// machine, else the default.
func (a *app) address(c *conf.Config) string {
	if a.jobmanager != "" {
		return a.jobmanager
	}
	host, hostSet := conf.RestAddress.Lookup(c)
	port, portSet := conf.RestPort.Lookup(c)
	if !hostSet && !portSet {
		if l, err := cluster.FindLocal(c); err == nil {
			return l.REST
		}
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + conf.RestPath.Get(c)
}

// client connects to the cluster that the command line means.
func (a *app) client() (*rest.Client, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	return a.connect(c, a.address(c))
}

// connect makes a client of the JobManager at address.
func (a *app) connect(c *conf.Config, address string) (*rest.Client, error) {
	token, err := cluster.ClientToken(c)
	if err != nil {
		return nil, err
	}
	client, err := rest.New(address, rest.Options{Header: headers(a.environ), Token: token, RetryFor: patience(c)})
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// patience is how long a verb waits for a JobManager that does not answer: as configured, else a moment, because
// somebody waits for the answer.
func patience(c *conf.Config) time.Duration {
	attempts, set := conf.RestRetryMaxAttempts.Lookup(c)
	delay, delaySet := conf.RestRetryDelay.Lookup(c)
	if !set && !delaySet {
		return time.Second
	}
	if d := time.Duration(attempts) * delay; d > 0 {
		return d
	}
	return -1 // once
}

// headers are what FLINK_REST_CLIENT_HEADERS asks to send along: lines of Name:value.
func headers(environ []string) http.Header {
	h := http.Header{}
	for _, e := range environ {
		lines, ok := strings.CutPrefix(e, "FLINK_REST_CLIENT_HEADERS=")
		if !ok {
			continue
		}
		for line := range strings.SplitSeq(lines, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
			}
		}
	}
	return h
}

// parseJobID reads the one argument of verbs that take a job.
func parseJobID(args []string, what string) (core.JobID, error) {
	switch len(args) {
	case 0:
		return core.JobID{}, usage("Missing JobID. Specify a JobID to %s.", what)
	case 1:
	default:
		return core.JobID{}, usage("one JobID is expected, but got %q too", args[1])
	}
	id, err := core.ParseJobID(args[0])
	if err != nil {
		return id, usage("Cannot parse JobID from %q. The expected format is [0-9a-fA-F]{32}, e.g. %s.", args[0], "fd72014d4c864993a2e5a9287b4a9c5d")
	}
	return id, nil
}
