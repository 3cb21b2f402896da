package rest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// Names of the parts of a submission.
const (
	PartRequest = "request" // JSON of SubmitRequest
	partFile    = "file_%d" // the files that it names
)

// HashFile returns the SHA-256 and the size of a file: the name of a program's blob.
func HashFile(path string) (core.BlobKey, int64, error) {
	var key core.BlobKey
	f, err := os.Open(path)
	if err != nil {
		return key, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return key, 0, err
	}
	if !info.Mode().IsRegular() {
		return key, 0, fmt.Errorf("%s is not a file", path)
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	h.Sum(key[:0])
	return key, n, err
}

// HasBlob tells whether the JobManager has a program of this content.
func (c *Client) HasBlob(ctx context.Context, key core.BlobKey) (bool, error) {
	_, err := get[BlobInfo](ctx, c, "look for program", key.String(), "/blobs/"+key.String(), nil)
	if core.KindOf(err) == core.NotFound {
		return false, nil
	}
	return err == nil, err
}

// Submit hands job to the JobManager, together with the binary at program, which is sent only if the JobManager does
// not have it yet. It sets job.Program.Blob, and Name if there is none. Submitting the same job again, by its id, is
// the same submission, so that a repeated request does no harm.
func (c *Client) Submit(ctx context.Context, job *graph.JobGraph, program string) error {
	fail := func(err error) error { return core.E("submit job", core.Invalid, job.ID.String(), err) }
	key, _, err := HashFile(program)
	if err != nil {
		return fail(err)
	}
	job.Program.Blob = key
	if job.Program.Name == "" {
		job.Program.Name = filepath.Base(program)
	}
	has, err := c.HasBlob(ctx, key)
	if err != nil {
		return err
	}
	g, err := json.Marshal(job)
	if err != nil {
		return fail(err)
	}
	graphFile := "flink-go-jobgraph-" + job.ID.String() + ".json"
	head, err := json.Marshal(SubmitRequest{PlanFile: graphFile, JarFiles: []string{job.Program.Name}})
	if err != nil {
		return fail(err)
	}
	parts := []part{
		{field: PartRequest, kind: "application/json", text: head},
		{field: fmt.Sprintf(partFile, 0), name: graphFile, kind: "application/json", text: g},
	}
	if !has {
		parts = append(parts, part{field: fmt.Sprintf(partFile, 1), name: job.Program.Name, kind: "application/octet-stream", path: program})
	}
	body, kind := multipartBody(parts)
	_, err = call[Submitted](ctx, c, request{op: "submit job", id: job.ID.String(), method: http.MethodPost, path: "/jobs", body: body, kind: kind})
	return err
}

// part is one part of a multipart body: a text, or the content of a file.
type part struct {
	field string
	name  string // file name; "" for a plain field
	kind  string
	text  []byte
	path  string
}

// multipartBody returns a function that makes the body again for each try; a file is read as it is sent.
func multipartBody(parts []part) (body func() (io.ReadCloser, error), kind string) {
	// The boundary is chosen once, so that the content type fits every try.
	boundary := multipart.NewWriter(io.Discard).Boundary()
	body = func() (io.ReadCloser, error) {
		var b chain
		for i, p := range parts {
			var head strings.Builder
			w := multipart.NewWriter(&head)
			if err := w.SetBoundary(boundary); err != nil {
				return nil, err
			}
			if _, err := w.CreatePart(p.header()); err != nil {
				return nil, err
			}
			if i > 0 {
				b.text("\r\n")
			}
			b.text(head.String())
			if p.path == "" {
				b.text(string(p.text))
				continue
			}
			if err := b.file(p.path); err != nil {
				return nil, errors.Join(err, b.Close())
			}
		}
		b.text("\r\n--" + boundary + "--\r\n")
		b.Reader = io.MultiReader(b.readers...)
		return &b, nil
	}
	return body, "multipart/form-data; boundary=" + boundary
}

func (p part) header() textproto.MIMEHeader {
	h := textproto.MIMEHeader{}
	disposition := fmt.Sprintf("form-data; name=%q", p.field)
	if p.name != "" {
		disposition += "; filename=" + quoteName(p.name)
	}
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Type", p.kind)
	return h
}

// quoteName makes a quoted string of a file name; control characters would end the header.
func quoteName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, name)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// chain reads texts and files one after the other and closes the files.
type chain struct {
	io.Reader
	readers []io.Reader
	files   []*os.File
}

func (c *chain) text(s string) { c.readers = append(c.readers, strings.NewReader(s)) }

func (c *chain) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	c.files = append(c.files, f)
	c.readers = append(c.readers, f)
	return nil
}

// Close closes the files.
func (c *chain) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
