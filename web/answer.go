package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
)

// answer is a value with a status other than 200.
type answer struct {
	status int
	body   any
}

// stream writes an answer piece by piece.
type stream func(w io.Writer) error

// statusError is an error whose status does not follow from a core.Kind.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func status(code int, format string, args ...any) error {
	return &statusError{code, fmt.Sprintf(format, args...)}
}

// statusOf is the table from the kind of an error to the status of the answer; rest.Client has the inverse.
func statusOf(k core.Kind) int {
	switch k {
	case core.Invalid:
		return http.StatusBadRequest
	case core.NotFound:
		return http.StatusNotFound
	case core.AlreadyExists, core.Conflict, core.Canceled:
		return http.StatusConflict
	case core.Unavailable, core.Fenced, core.Lost:
		// Clients of Flink try again for a minute at 503: right, the next leader may answer.
		return http.StatusServiceUnavailable
	case core.PermissionDenied:
		return http.StatusForbidden
	case core.TooLarge:
		return http.StatusRequestEntityTooLarge
	case core.UserCode:
		return http.StatusBadRequest
	case core.NoResource:
		return http.StatusConflict
	default:
		return http.StatusInternalServerError
	}
}

// write sends a handler's value.
func write(w http.ResponseWriter, v any) {
	switch v := v.(type) {
	case stream:
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		// An error after the first byte can only cut the answer short: the client sees that it is not whole.
		if err := v(&pacedWriter{w: w, control: http.NewResponseController(w)}); err != nil {
			panic(http.ErrAbortHandler)
		}
	case page:
		w.Header().Set("Content-Type", v.kind)
		_, _ = io.WriteString(w, v.text)
	case answer:
		writeJSON(w, v.status, v.body)
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	// "->" is in most names of vertices. Nobody takes this for a page: it is marked as JSON, and nosniff.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		code = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"errors":["Internal server error."]}`)
	}
	body := bytes.TrimRight(b.Bytes(), "\n")
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	// The client may be gone: nobody is left to tell.
	_, _ = (&pacedWriter{w: w, control: http.NewResponseController(w)}).Write(body)
}

// writeError sends an error in Flink's form.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	var code int
	text := err.Error()
	if e, ok := errors.AsType[*statusError](err); ok {
		code = e.status
	} else if e, ok := errors.AsType[*notAllowed](err); ok {
		code = http.StatusMethodNotAllowed
		w.Header().Set("Allow", strings.Join(e.allowed, ", "))
	} else {
		code = statusOf(core.KindOf(err))
		switch {
		case isTooLarge(err):
			code = http.StatusRequestEntityTooLarge
		case core.KindOf(err) == core.Internal && r.Context().Err() != nil,
			errors.Is(err, context.Canceled):
			code = http.StatusServiceUnavailable
		}
	}
	if code >= 400 && r.ContentLength != 0 {
		// What is left of the body is not read: the connection ends with the answer.
		w.Header().Set("Connection", "close")
	}
	if code == http.StatusInternalServerError {
		writeJSON(w, code, rest.Errors{Errors: []string{"Internal server error.",
			"<Exception on server side:\n" + text + "\nEnd of exception on server side>"}})
		return
	}
	writeJSON(w, code, rest.Errors{Errors: []string{text}})
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// pacedWriter gives up a client that takes nothing for stallTimeout (SEC-09, B-33).
type pacedWriter struct {
	w       io.Writer
	control *http.ResponseController
}

// chunkSize is how much must be taken within one stallTimeout.
const chunkSize = 64 << 10

func (p *pacedWriter) Write(b []byte) (int, error) {
	total := 0
	for len(b) > 0 {
		n := min(len(b), chunkSize)
		// Not every ResponseWriter has deadlines; a recorder in a test needs none.
		_ = p.control.SetWriteDeadline(time.Now().Add(stallTimeout))
		n, err := p.w.Write(b[:n])
		total += n
		if err != nil {
			return total, err
		}
		b = b[n:]
	}
	return total, nil
}

// pacedBody gives up a client that sends slower than leastRate (SEC-09).
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	began   time.Time
	read    int64
}

func (p *pacedBody) Read(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	allowed := stallTimeout + time.Duration(p.read/leastRate)*time.Second
	_ = p.control.SetReadDeadline(p.began.Add(allowed))
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	if err != nil {
		// From now on net/http itself reads, to notice that the client goes: that read may last.
		_ = p.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
