package rest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flink-go/flink-go/core"
)

// Defaults of Options.
const (
	DefaultRetryFor       = 5 * time.Second
	DefaultMaxAnswer      = 100 << 20
	DefaultConnectTimeout = 5 * time.Second
	DefaultIdleTimeout    = 30 * time.Second

	firstBackoff = 20 * time.Millisecond
	maxBackoff   = time.Second
)

// Options are the settings of a Client; the zero value is good.
type Options struct {
	Token  string      // bearer token, if the server wants one
	Header http.Header // sent with every request
	// RetryFor is how long a request is tried again while the server refuses connections, breaks them, or answers
	// 503 because no JobManager leads. 0 is DefaultRetryFor, a negative value tries once.
	RetryFor  time.Duration
	MaxAnswer int64        // largest JSON answer taken; 0 is DefaultMaxAnswer
	HTTP      *http.Client // nil: one with a transport of its own, to which what follows applies

	ConnectTimeout time.Duration // 0 is DefaultConnectTimeout
	IdleTimeout    time.Duration // of a connection without requests; 0 is DefaultIdleTimeout
}

// Client talks to a JobManager. Every method returns a *core.Error: of kind Unavailable when there is no JobManager
// at the address, else of the kind that the answer's status stands for, with the server's text.
type Client struct {
	base     url.URL
	token    string
	header   http.Header
	retryFor time.Duration
	maxBody  int64
	http     *http.Client
}

// New makes a client for an address: "host:port" or "http(s)://host:port/prefix".
func New(address string, o Options) (*Client, error) {
	base, err := parseAddress(address)
	if err != nil {
		return nil, core.E("connect", core.Invalid, address, err)
	}
	c := &Client{base: *base, token: o.Token, header: o.Header, retryFor: o.RetryFor, maxBody: o.MaxAnswer, http: o.HTTP}
	if c.retryFor == 0 {
		c.retryFor = DefaultRetryFor
	}
	if c.maxBody == 0 {
		c.maxBody = DefaultMaxAnswer
	}
	if c.http == nil {
		t := &http.Transport{
			// A proxy of the environment is for the world outside, not for a cluster.
			DialContext:         (&net.Dialer{Timeout: cmp.Or(o.ConnectTimeout, DefaultConnectTimeout)}).DialContext,
			TLSHandshakeTimeout: cmp.Or(o.ConnectTimeout, DefaultConnectTimeout),
			IdleConnTimeout:     cmp.Or(o.IdleTimeout, DefaultIdleTimeout),
			MaxIdleConnsPerHost: 4,
		}
		c.http = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return c, nil
}

func parseAddress(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("expected host:port or http(s)://host:port")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("expected http or https, got %s", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("expected host:port, got no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("expected host:port or http(s)://host:port/prefix, without user, query or fragment")
	case u.Port() == "":
		if u.Scheme == "http" && u.Path == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "8081")
		}
	default:
		if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("expected a port from 1 to 65535, got %s", u.Port())
		}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// Address is the server's, with scheme and prefix.
func (c *Client) Address() string { return c.base.String() }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call.
type request struct {
	op     string // "list jobs"
	id     string // of what
	method string
	path   string // below /v1, escaped
	query  url.Values
	header http.Header
	// body makes the body anew for each try, nil for none; kind is its content type.
	body func() (io.ReadCloser, error)
	kind string
}

// get asks for JSON.
func get[T any](ctx context.Context, c *Client, op, id, path string, query url.Values) (T, error) {
	return call[T](ctx, c, request{op: op, id: id, method: http.MethodGet, path: path, query: query})
}

// call sends r, tries again as long as that makes sense, and decodes the answer.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var answer T
	err := c.do(ctx, r, func(resp *http.Response) error {
		b, err := io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
		if err != nil {
			return &transportError{err}
		}
		if int64(len(b)) > c.maxBody {
			return core.E(r.op, core.TooLarge, r.id, fmt.Errorf("the answer is larger than %d bytes (rest.client.max-content-length)", c.maxBody))
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return core.E(r.op, core.Invalid, r.id, c.notAJobManager(resp, b))
		}
		return nil
	})
	return answer, err
}

// notAJobManager says what answered instead.
func (c *Client) notAJobManager(resp *http.Response, body []byte) error {
	kind := resp.Header.Get("Content-Type")
	if kind == "" {
		kind = "no content type"
	}
	return fmt.Errorf("%s is not the REST address of a JobManager: it answered %s with %s: %q", c.Address(), resp.Status, kind, clip(body))
}

func clip(b []byte) string {
	if len(b) > 120 {
		return string(b[:120]) + "..."
	}
	return string(b)
}

// transportError marks what went wrong between client and server, so that trying again may help.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// do sends r until an answer comes that is not 503, and hands a good one to use.
func (c *Client) do(ctx context.Context, r request, use func(*http.Response) error) error {
	give := time.Now().Add(c.retryFor)
	backoff := firstBackoff
	for {
		err := c.once(ctx, r, use)
		again, cause := retryable(err)
		if err == nil || !again || ctx.Err() != nil || time.Now().Add(backoff).After(give) {
			return c.explain(ctx, r, err, cause)
		}
		timer := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return c.explain(ctx, r, err, cause)
		case <-timer.C:
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func (c *Client) once(ctx context.Context, r request, use func(*http.Response) error) error {
	u := c.base
	// Path and RawPath together keep the escapes of r.path.
	u.RawPath = u.EscapedPath() + "/v1" + r.path
	path, err := url.PathUnescape(u.RawPath)
	if err != nil {
		return core.E(r.op, core.Invalid, r.id, err)
	}
	u.Path, u.RawQuery = path, r.query.Encode()
	var body io.ReadCloser
	if r.body != nil {
		if body, err = r.body(); err != nil {
			return core.E(r.op, core.Invalid, r.id, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return core.E(r.op, core.Invalid, r.id, err)
	}
	maps.Copy(req.Header, c.header)
	maps.Copy(req.Header, r.header)
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &transportError{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return use(resp)
	}
	return c.refused(r, resp)
}

// refused turns an answer that is no success into an error.
func (c *Client) refused(r request, resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return &transportError{err}
	}
	var answer Errors
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Errors) == 0 {
		if bytes.Contains(b, []byte("Client sent an HTTP request to an HTTPS server")) {
			return core.E(r.op, core.Invalid, r.id, fmt.Errorf("%s speaks TLS: use https", c.Address()))
		}
		return core.E(r.op, core.Invalid, r.id, c.notAJobManager(resp, b))
	}
	kind := kindOfStatus(resp.StatusCode)
	text := strings.Join(answer.Errors, "\n")
	if kind == core.Unavailable {
		return &transportError{errors.New(text)}
	}
	return core.E(r.op, kind, r.id, errors.New(text))
}

// kindOfStatus is the inverse of the server's table.
func kindOfStatus(status int) core.Kind {
	switch status {
	case http.StatusNotFound:
		return core.NotFound
	case http.StatusConflict:
		return core.Conflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return core.PermissionDenied
	case http.StatusRequestEntityTooLarge:
		return core.TooLarge
	case http.StatusServiceUnavailable:
		return core.Unavailable
	}
	if status < 500 {
		return core.Invalid
	}
	return core.Internal
}

// retryable tells whether trying again may help, and what lies below the transport's wrapping.
func retryable(err error) (bool, error) {
	t, ok := errors.AsType[*transportError](err)
	if !ok {
		return false, err
	}
	cause := t.err
	if u, ok := errors.AsType[*url.Error](cause); ok {
		cause = u.Err
	}
	if d, ok := errors.AsType[*net.DNSError](cause); ok && !d.IsTemporary {
		return false, cause
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](cause); ok {
		return false, cause
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		return false, cause
	}
	return !notHTTP(cause), cause
}

// notHTTP recognizes the answers of servers that do not speak HTTP; net/http has no type for them.
func notHTTP(err error) bool {
	s := err.Error()
	return strings.Contains(s, "malformed HTTP") || strings.Contains(s, "server gave HTTP response to HTTPS client") ||
		strings.Contains(s, "readLoopPeekFailLocked: %!w(<nil>)") // it spoke before it was asked
}

// explain says in one line why there was no answer (B-06).
func (c *Client) explain(ctx context.Context, r request, err, cause error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*transportError](err); !ok {
		return err
	}
	if ctxErr := context.Cause(ctx); ctxErr != nil {
		return core.E(r.op, core.Canceled, r.id, ctxErr)
	}
	host := c.base.Host
	say := func(kind core.Kind, format string, args ...any) error {
		return core.E(r.op, kind, r.id, fmt.Errorf(format, args...))
	}
	if d, ok := errors.AsType[*net.DNSError](cause); ok {
		return say(core.Unavailable, "no such host %s: check rest.address or -m: %w", d.Name, cause)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](cause); ok || strings.Contains(cause.Error(), "HTTP response to HTTPS client") {
		return say(core.Invalid, "%s does not speak TLS: use http, not https", host)
	}
	if v, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		return say(core.Invalid, "the certificate of %s is not trusted: %w", host, v.Err)
	}
	if v, ok := errors.AsType[x509.UnknownAuthorityError](cause); ok {
		return say(core.Invalid, "the certificate of %s is not trusted: %w", host, v)
	}
	switch {
	case errors.Is(cause, syscall.ECONNREFUSED):
		return say(core.Unavailable, "nothing listens at %s: is the cluster running? (flink-go cluster start): %w", host, cause)
	case strings.Contains(cause.Error(), "malformed HTTP response \"\\x15\\x03"):
		return say(core.Invalid, "%s speaks TLS: use https", host)
	case notHTTP(cause):
		return say(core.Invalid, "%s does not speak HTTP: is it the REST port (rest.port) of a JobManager? %w", host, cause)
	}
	return say(core.Unavailable, "no answer from %s: %w", host, cause)
}
