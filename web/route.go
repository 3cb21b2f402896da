package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/flink-go/flink-go/core"
)

// handler answers one kind of request: a value becomes JSON with status 200, an answer carries its own status, a
// stream writes itself.
type handler func(ctx context.Context, q *query) (any, error)

// route is a method and a path whose segments beginning with ":" are parameters.
type route struct {
	method  string
	pattern string
	handle  handler
}

// router finds the handler of a request. Paths exist with and without /v1.
type router struct {
	routes []compiled
}

type compiled struct {
	route
	segments []string
}

func newRouter(routes []route) *router {
	r := &router{}
	for _, x := range routes {
		r.routes = append(r.routes, compiled{x, split(x.pattern)})
	}
	return r
}

// split cuts a path into segments; a trailing slash adds none.
func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// ServeHTTP finds the handler and writes its answer.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	q, h, err := r.find(req)
	if err != nil {
		writeError(w, req, err)
		return
	}
	q.w = w
	v, err := h(req.Context(), q)
	if err != nil {
		writeError(w, req, err)
		return
	}
	write(w, v)
}

// maxPath bounds what is compared and echoed.
const maxPath = 4096

func (r *router) find(req *http.Request) (*query, handler, error) {
	if len(req.URL.EscapedPath()) > maxPath {
		return nil, nil, status(http.StatusRequestURITooLong, "the path is longer than %d bytes", maxPath)
	}
	segments := split(req.URL.EscapedPath())
	if len(segments) > 0 && segments[0] == "v1" {
		segments = segments[1:]
	}
	var allowed []string
	for _, c := range r.routes {
		params, ok := c.match(segments)
		if !ok {
			continue
		}
		if c.method != req.Method {
			allowed = append(allowed, c.method)
			continue
		}
		values, err := url.ParseQuery(req.URL.RawQuery)
		if err != nil {
			return nil, nil, status(http.StatusBadRequest, "the query string is malformed: %v", err)
		}
		return &query{req: req, params: params, values: values}, c.handle, nil
	}
	shown := show(req.URL.Path)
	switch {
	case len(allowed) > 0:
		slices.Sort(allowed)
		return nil, nil, &notAllowed{allowed: slices.Compact(allowed), method: req.Method, path: shown}
	case req.Method == http.MethodGet:
		return nil, nil, status(http.StatusNotFound, "Unable to load requested file %s.", shown)
	default:
		return nil, nil, status(http.StatusNotFound, "Not found: %s", shown)
	}
}

func (c compiled) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(c.segments) {
		return nil, false
	}
	var params map[string]string
	for i, want := range c.segments {
		name, isParam := strings.CutPrefix(want, ":")
		if !isParam {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		// net/http has parsed the path, so every escape is good.
		value, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil, false
		}
		if params == nil {
			params = map[string]string{}
		}
		params[name] = value
	}
	return params, true
}

// show makes foreign text fit for one line of an answer or a log (SEC-20).
func show(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// notAllowed is a path with another method (B-24).
type notAllowed struct {
	allowed      []string
	method, path string
}

func (e *notAllowed) Error() string {
	return fmt.Sprintf("%s is not allowed at %s, only %s", show(e.method), e.path, strings.Join(e.allowed, ", "))
}

// query is a request as its handler sees it.
type query struct {
	w      http.ResponseWriter
	req    *http.Request
	params map[string]string
	values url.Values
}

// invalid is an error in what the client sent.
func invalid(format string, args ...any) error { return status(http.StatusBadRequest, format, args...) }

func (q *query) job() (core.JobID, error) {
	id, err := core.ParseJobID(q.params["jobid"])
	if err != nil {
		return id, invalid("Cannot resolve path parameter (jobid): %v", err)
	}
	return id, nil
}

func (q *query) vertex() (core.VertexID, error) {
	id, err := core.ParseVertexID(q.params["vertexid"])
	if err != nil {
		return id, invalid("Cannot resolve path parameter (vertexid): %v", err)
	}
	return id, nil
}

// pathInt is a path parameter that counts from 0.
func (q *query) pathInt(name string) (int, error) {
	n, err := strconv.ParseUint(q.params[name], 10, 31)
	if err != nil {
		return 0, invalid("Cannot resolve path parameter (%s) from value %q: expected a whole number from 0", name, show(q.params[name]))
	}
	return int(n), nil
}

// queryInt is a query parameter from least on, or otherwise if it is not there.
func (q *query) queryInt(name string, least, otherwise int) (int, error) {
	v := q.values.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least {
		return 0, invalid("Cannot resolve query parameter (%s) from value %q: expected a whole number, at least %d", name, show(v), least)
	}
	return n, nil
}

// list is a query parameter of values separated by commas; it may also be repeated.
func (q *query) list(name string) []string {
	var all []string
	for _, v := range q.values[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

var errNoSuchFile = errors.New("no such file")
