package web

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
)

// maxJars bounds how many programs are kept (SEC-08).
const maxJars = 128

// jarStore keeps uploaded programs as files of one directory. An id is made here: the program's SHA-256, a _ and the
// client's name as a label, so that uploading the same again changes nothing.
type jarStore struct {
	root *os.Root
	dir  string
	most int
	mu   sync.Mutex // an upload counts and adds in one step
}

func openJars(dir string, most int) (*jarStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &jarStore{root: root, dir: dir, most: most}, nil
}

func (j *jarStore) close() error { return j.root.Close() }

// jarID makes an id; only letters, digits, dot, dash and underscore of the label stay, so that it needs no escape.
func jarID(f *uploaded) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, f.name)
	return f.key.String() + "_" + name
}

// parseJarID takes an id of jarID apart.
func parseJarID(id string) (key core.BlobKey, name string, err error) {
	hash, name, ok := strings.Cut(id, "_")
	if !ok || name == "" || strings.ContainsAny(id, "/\\\x00") || len(id) > 255 {
		return key, "", fmt.Errorf("%q is not the id of an uploaded program", show(id))
	}
	if key, err = core.ParseBlobKey(hash); err != nil || hex.EncodeToString(key[:]) != hash {
		return key, "", fmt.Errorf("%q is not the id of an uploaded program", show(id))
	}
	return key, name, nil
}

// jar is an uploaded program.
type jar struct {
	id       string
	name     string
	key      core.BlobKey
	uploaded int64
}

func (j *jarStore) list() ([]jar, error) {
	entries, err := fs.ReadDir(j.root.FS(), ".")
	if err != nil {
		return nil, core.E("list programs", core.Internal, j.dir, err)
	}
	all := []jar{}
	for _, e := range entries {
		key, name, err := parseJarID(e.Name())
		if err != nil {
			continue // not ours
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			all = append(all, jar{e.Name(), name, key, info.ModTime().UnixMilli()})
		}
	}
	slices.SortFunc(all, func(a, b jar) int { return cmp.Or(cmp.Compare(b.uploaded, a.uploaded), cmp.Compare(a.id, b.id)) })
	return all, nil
}

// add moves an upload into the store.
func (j *jarStore) add(f *uploaded) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	all, err := j.list()
	if err != nil {
		return "", err
	}
	id := jarID(f)
	if len(all) >= j.most && !slices.ContainsFunc(all, func(x jar) bool { return x.id == id }) {
		return "", core.E("store program", core.Conflict, id, fmt.Errorf("%d programs are stored, which is the limit: delete some", len(all)))
	}
	// Renaming may cross file systems, if web.upload.dir is on another one: copy under a name that is no id first.
	part := "." + id + ".part"
	if err := j.copy(f.path, part); err != nil {
		return "", core.E("store program", core.Internal, id, errors.Join(err, j.root.RemoveAll(part)))
	}
	if err := j.root.Rename(part, id); err != nil {
		return "", core.E("store program", core.Internal, id, err)
	}
	return id, nil
}

func (j *jarStore) copy(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := j.root.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o500)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// open opens a program for reading.
func (j *jarStore) open(id string) (*os.File, jar, error) {
	key, name, err := parseJarID(id)
	if err != nil {
		return nil, jar{}, invalid("%v", err)
	}
	f, err := j.root.Open(id)
	if err != nil {
		return nil, jar{}, invalid("Jar file %s does not exist", show(id))
	}
	return f, jar{id: id, name: name, key: key}, nil
}

func (j *jarStore) remove(id string) error {
	if _, _, err := parseJarID(id); err != nil {
		return invalid("%v", err)
	}
	if err := j.root.Remove(id); err != nil {
		return invalid("File %s does not exist in %s.", show(id), j.dir)
	}
	return nil
}

func (s *Server) listJars(_ context.Context, q *query) (any, error) {
	if err := s.submitOff(q); err != nil {
		return nil, err
	}
	all, err := s.jars.list()
	if err != nil {
		return nil, err
	}
	out := rest.Jars{Address: "http://" + q.req.Host, Files: []rest.Jar{}}
	for _, j := range all {
		// A Go program has one way in; the dashboard wants at least one name.
		out.Files = append(out.Files, rest.Jar{ID: j.id, Name: j.name, Uploaded: j.uploaded, Entry: []rest.JarEntry{{Name: strings.TrimSuffix(j.name, ".jar")}}})
	}
	return out, nil
}

func (s *Server) uploadJar(ctx context.Context, q *query) (any, error) {
	if err := s.submitOff(q); err != nil {
		return nil, err
	}
	u, err := s.receive(ctx, q)
	if err != nil {
		return nil, err
	}
	defer s.discard(u)
	if len(u.files) != 1 {
		return nil, invalid("Exactly 1 file must be sent, received %d.", len(u.files))
	}
	f := &u.files[0]
	in, err := os.Open(f.path)
	if err != nil {
		return nil, core.E("store program", core.Internal, f.name, err)
	}
	err = checkBinary(in, f.size)
	if err := errors.Join(err, in.Close()); err != nil {
		return nil, core.E("upload program", core.Invalid, f.name, err)
	}
	id, err := s.jars.add(f)
	if err != nil {
		return nil, err
	}
	s.log.Info("program uploaded", "id", id, "bytes", f.size, "from", show(q.req.RemoteAddr))
	return rest.JarUpload{FileName: path.Join(s.jars.dir, id), Status: "success"}, nil
}

func (s *Server) deleteJar(_ context.Context, q *query) (any, error) {
	if err := s.submitOff(q); err != nil {
		return nil, err
	}
	return struct{}{}, s.jars.remove(q.params["jarid"])
}

// jarRun reads how a program is to be run: a value in the body wins over the query.
func (s *Server) jarRun(q *query) (rest.JarRun, error) {
	var run rest.JarRun
	if err := q.body(&run); err != nil {
		return run, err
	}
	if run.Args == nil {
		run.Args = q.list("programArg")
	}
	if run.Args == nil {
		text := cmp.Or(run.ArgsText, q.values.Get("program-args"))
		args, err := splitArgs(text)
		if err != nil {
			return run, invalid("programArgs: %v", err)
		}
		run.Args = args
	}
	if run.Parallelism == 0 {
		n, err := q.queryInt("parallelism", -1, 0)
		if err != nil {
			return run, err
		}
		run.Parallelism = rest.Count(n)
	}
	if run.SavepointURI != "" {
		return run, unavailable("savepoints")
	}
	if n := int(run.Parallelism); n < -1 || n > core.UpperMaxParallelism {
		return run, invalid("parallelism: got %d, expected a number from 1 to %d", n, core.UpperMaxParallelism)
	}
	size := 0
	for _, a := range run.Args {
		size += len(a) + 1
		if strings.ContainsRune(a, 0) {
			return run, invalid("programArgsList: an argument contains a NUL, which no program can be given")
		}
	}
	if size > maxArgs {
		return run, invalid("programArgsList: %d bytes of arguments, at most %d can be given to a program", size, maxArgs)
	}
	return run, nil
}

// maxArgs is what Linux takes as one argument; the sum is kept below it too (B-27).
const maxArgs = 128 << 10

// compile runs a program for its graph.
func (s *Server) compile(ctx context.Context, q *query) (*graph.JobGraph, jar, error) {
	if err := s.submitOff(q); err != nil {
		return nil, jar{}, err
	}
	run, err := s.jarRun(q)
	if err != nil {
		return nil, jar{}, err
	}
	f, j, err := s.jars.open(q.params["jarid"])
	if err != nil {
		return nil, jar{}, err
	}
	defer f.Close()
	settings := map[string]string{}
	maps.Copy(settings, run.Settings)
	if run.Parallelism > 0 {
		settings[conf.ParallelismDefault.Key] = fmt.Sprint(run.Parallelism)
	}
	g, err := s.plans.run(ctx, program{file: f, name: j.name, args: run.Args, settings: settings})
	if err != nil {
		return nil, jar{}, err
	}
	if run.JobID != nil {
		g.ID = *run.JobID
	}
	g.Program = graph.Program{Blob: j.key, Name: j.name, Args: run.Args, Settings: settings}
	return g, j, s.checkGraph(g)
}

func (s *Server) planJar(ctx context.Context, q *query) (any, error) {
	g, _, err := s.compile(ctx, q)
	if err != nil {
		return nil, err
	}
	return rest.JobPlan{Plan: planView(g.ID, g.Name, g)}, nil
}

func (s *Server) runJar(ctx context.Context, q *query) (any, error) {
	g, j, err := s.compile(ctx, q)
	if err != nil {
		return nil, err
	}
	f, _, err := s.jars.open(j.id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, core.E("run program", core.Internal, j.id, err)
	}
	if !s.cfg.Blobs.Has(j.key) {
		key, _, err := s.cfg.Blobs.Put(ctx, f, info.Size())
		if err != nil {
			return nil, err
		}
		if key != j.key {
			return nil, core.E("run program", core.Internal, j.id, fmt.Errorf("its SHA-256 is %s: the stored file was changed", key))
		}
	}
	if err := s.submitGraph(ctx, g); err != nil {
		if core.KindOf(err) == core.AlreadyExists {
			return nil, status(http.StatusBadRequest, "%s", err.Error())
		}
		return nil, err
	}
	return rest.JarRunResult{JobID: g.ID}, nil
}

// splitArgs cuts a text into arguments at blanks; quotes keep blanks together.
func splitArgs(s string) ([]string, error) {
	var (
		args  []string
		arg   strings.Builder
		in    bool // inside an argument
		quote rune
	)
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			arg.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if in {
				args = append(args, arg.String())
				arg.Reset()
				in = false
			}
		default:
			arg.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if in {
		args = append(args, arg.String())
	}
	return args, nil
}
