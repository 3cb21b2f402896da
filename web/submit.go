package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"strings"
	"unicode"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// javaMagic begins every Java serialization stream, and so every plan of a Java client.
const javaMagic = "\xac\xed\x00\x05"

var (
	errJavaPlan = errors.New("this is a serialized Java plan (StreamGraph or JobGraph): flink-go runs programs written in Go; submit one with flink-go run")
	errNotParts = errors.New("expected multipart/form-data with a boundary")
)

// upload is a multipart body that was taken in: small JSON in memory, the rest in temporary files of one directory.
type upload struct {
	dir   string
	json  map[string][]byte // by file name, or by field name for the request
	files []uploaded
}

type uploaded struct {
	name string // as the client calls it: a label, never a path
	path string
	key  core.BlobKey
	size int64
}

// close removes what is left of the upload.
func (u *upload) close() error { return os.RemoveAll(u.dir) }

// receive takes a multipart body in (SEC-08, B-25). The caller closes the upload, whatever happened to it since.
func (s *Server) receive(ctx context.Context, q *query) (*upload, error) {
	kind, params, err := mime.ParseMediaType(q.req.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, invalid("%v, got content type %q", errNotParts, show(q.req.Header.Get("Content-Type")))
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	dir, err := os.MkdirTemp(s.tmp, "")
	if err != nil {
		return nil, core.E("receive upload", core.Internal, "", err)
	}
	u := &upload{dir: dir, json: map[string][]byte{}}
	// mime/multipart moves 4 KiB at a time: buffers before and behind it save thousands of system calls.
	body := bufio.NewReaderSize(q.req.Body, copyBuffer)
	if err := u.receive(multipart.NewReader(body, params["boundary"])); err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

func (u *upload) receive(r *multipart.Reader) error {
	for n := 0; ; n++ {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return partError(err)
		}
		if n == maxParts {
			return invalid("more than %d parts", maxParts)
		}
		if err := u.part(p, n); err != nil {
			return err
		}
	}
}

// partError is an error while reading a multipart body: the client's, whatever it is.
func partError(err error) error {
	if isTooLarge(err) {
		return bodyError(err)
	}
	return invalid("the multipart body is cut or malformed: %v", err)
}

func (u *upload) part(p *multipart.Part, n int) error {
	name := label(p.FileName())
	// Peek at the content: what it is does not follow from what the client calls it.
	head := make([]byte, len(javaMagic))
	k, err := io.ReadFull(p, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return partError(err)
	}
	content := io.MultiReader(bytes.NewReader(head[:k]), p)
	if string(head[:k]) == javaMagic {
		return core.E("submit job", core.Invalid, name, errJavaPlan)
	}
	kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if p.FileName() == "" || kind == "application/json" || strings.HasSuffix(name, ".json") {
		b, err := io.ReadAll(io.LimitReader(content, maxJSON+1))
		if err != nil {
			return partError(err)
		}
		if len(b) > maxJSON {
			return status(http.StatusRequestEntityTooLarge, "part %q is larger than %d bytes", show(p.FormName()), maxJSON)
		}
		if p.FileName() == "" {
			name = label(p.FormName())
		}
		u.json[name] = b
		return nil
	}
	f, err := os.OpenFile(path.Join(u.dir, fmt.Sprint(n)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return core.E("receive upload", core.Internal, name, err)
	}
	h := sha256.New()
	// Errors of writing are ours, errors of reading are the client's.
	disk := &diskWriter{w: io.MultiWriter(f, h)}
	buffered := bufio.NewWriterSize(disk, copyBuffer)
	size, err := io.Copy(buffered, content)
	err = errors.Join(err, buffered.Flush(), f.Close())
	switch {
	case disk.failed:
		return core.E("receive upload", core.Internal, name, err)
	case err != nil:
		return partError(err)
	}
	file := uploaded{name: name, path: f.Name(), size: size}
	h.Sum(file.key[:0])
	u.files = append(u.files, file)
	return nil
}

const copyBuffer = 256 << 10

type diskWriter struct {
	w      io.Writer
	failed bool
}

func (d *diskWriter) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	d.failed = d.failed || err != nil
	return n, err
}

// label makes a name to show out of what a client calls a file (SEC-07): its last element without what is not
// printable.
func label(name string) string {
	name = path.Base(strings.ReplaceAll(name, "\\", "/"))
	name = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	if name == "." || name == "/" || name == ".." || name == "" {
		name = "program"
	}
	if len(name) > 128 {
		name = strings.ToValidUTF8(name[len(name)-128:], "")
	}
	return name
}

// submit is POST /jobs: the part "request" names the files, one of them our JobGraph, another the program unless the
// blob store has it. Everything is checked before anything is stored.
func (s *Server) submit(ctx context.Context, q *query) (any, error) {
	u, err := s.receive(ctx, q)
	if err != nil {
		return nil, err
	}
	defer s.discard(u)
	g, err := u.graph()
	if err != nil {
		return nil, err
	}
	if err := s.checkGraph(g); err != nil {
		return nil, err
	}
	if len(u.files) > 1 {
		return nil, invalid("%d programs in one submission, expected one", len(u.files))
	}
	if g.Program.Blob.IsZero() {
		return nil, invalid("job graph: program.blob is missing: it names the program that runs the job by its SHA-256")
	}
	if len(u.files) == 1 {
		if f := u.files[0]; f.key != g.Program.Blob {
			return nil, invalid("the program has SHA-256 %s, the job graph wants %s", f.key, g.Program.Blob)
		}
		if err := s.keep(ctx, &u.files[0]); err != nil {
			return nil, err
		}
	} else if !s.cfg.Blobs.Has(g.Program.Blob) {
		return nil, invalid("the JobManager has no program %s: send it with the job graph", g.Program.Blob)
	}
	if err := s.submitGraph(ctx, g); err != nil {
		return nil, err
	}
	return answer{http.StatusAccepted, rest.Submitted{JobURL: "/jobs/" + g.ID.String()}}, nil
}

func (s *Server) discard(u *upload) {
	if err := u.close(); err != nil {
		s.log.Warn("upload was not removed", "dir", u.dir, "error", err)
	}
}

// graph finds and checks the job graph of a submission.
func (u *upload) graph() (*graph.JobGraph, error) {
	head, ok := u.json[rest.PartRequest]
	if !ok {
		return nil, invalid("the part %q is missing", rest.PartRequest)
	}
	var req rest.SubmitRequest
	if err := decodeJSON("part request", head, &req); err != nil {
		return nil, err
	}
	name := req.PlanFile
	if name == "" {
		name = req.GraphFile
	}
	if name == "" {
		return nil, invalid("part request: executionPlanFileName is missing")
	}
	b, ok := u.json[label(name)]
	if !ok || label(name) == rest.PartRequest {
		return nil, invalid("ExecutionPlan file %s could not be found on the server.", show(name))
	}
	var g graph.JobGraph
	if err := decodeJSON("job graph", b, &g); err != nil {
		return nil, err
	}
	return &g, nil
}

// checkGraph refuses what cannot run (B-35 to B-40) before anything is stored.
func (s *Server) checkGraph(g *graph.JobGraph) error {
	if g.Version != graph.FormatVersion {
		return invalid("job graph: it has format version %d, this JobManager reads version %d", g.Version, graph.FormatVersion)
	}
	if g.ID == (core.JobID{}) {
		return invalid("job graph: id is missing")
	}
	if len(g.Vertices) == 0 {
		return invalid("job graph: it has no vertices")
	}
	if s.cfg.Check == nil {
		return nil
	}
	if err := s.cfg.Check(g); err != nil {
		return core.E("check job graph", core.Invalid, g.ID.String(), err)
	}
	return nil
}

// keep checks a program and puts it into the blob store.
func (s *Server) keep(ctx context.Context, f *uploaded) error {
	in, err := os.Open(f.path)
	if err != nil {
		return core.E("store program", core.Internal, f.name, err)
	}
	defer in.Close()
	if err := checkBinary(in, f.size); err != nil {
		return core.E("store program", core.Invalid, f.name, err)
	}
	if s.cfg.Blobs.Has(f.key) {
		return nil
	}
	return s.cfg.Blobs.Adopt(ctx, f.path, f.key)
}

func (s *Server) submitGraph(ctx context.Context, g *graph.JobGraph) error {
	b, err := json.Marshal(g)
	if err != nil {
		return core.E("submit job", core.Internal, g.ID.String(), err)
	}
	if _, err := s.cfg.Dispatcher.SubmitJob(ctx, &pb.SubmitJobRequest{JobGraph: b}); err != nil {
		return err
	}
	s.log.Info("job submitted by REST", "job", g.ID, "name", show(g.Name))
	return nil
}

// blob tells whether the JobManager has a program, so that a client need not send it.
func (s *Server) blob(_ context.Context, q *query) (any, error) {
	key, err := core.ParseBlobKey(q.params["key"])
	if err != nil {
		return nil, invalid("Cannot resolve path parameter (key): %v", err)
	}
	if !s.cfg.Blobs.Has(key) {
		return nil, status(http.StatusNotFound, "no program %s", key)
	}
	f, err := s.cfg.Blobs.Open(key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, core.E("look for program", core.Internal, key.String(), err)
	}
	return rest.BlobInfo{Key: key, Size: info.Size()}, nil
}

// submitOff is the answer of all paths for programs when web.submit.enable is false, as Flink's.
func (s *Server) submitOff(q *query) error {
	if conf.WebSubmitEnable.Get(s.cfg.Conf) {
		return nil
	}
	return status(http.StatusNotFound, "Not found: %s (%s is false)", show(q.req.URL.Path), conf.WebSubmitEnable.Key)
}
