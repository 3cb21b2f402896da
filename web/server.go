package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// APIVersion is the version of Flink whose REST API this is: tools that talk to Flink choose their behavior by it.
const APIVersion = "2.2.1"

// Limits of the server (SEC-08, SEC-09).
const (
	maxJSON        = 10 << 20
	maxDepth       = 64
	maxParts       = 32
	maxHeader      = 64 << 10
	maxConnections = 1024
	maxUploads     = 8 // at once
	maxPlans       = 2 // children at once
	headerTimeout  = 5 * time.Second
	idleTimeout    = 60 * time.Second
	stallTimeout   = 30 * time.Second // a client that takes or sends nothing for so long is given up
	leastRate      = 1 << 10          // bytes a second of a body, after stallTimeout
	closeTimeout   = 2 * time.Second
)

// Config is what a Server needs. Dispatcher, ResourceManager, Connect, Blobs, Conf, Log and Dir are required.
type Config struct {
	Dispatcher      rpc.DispatcherGateway
	ResourceManager ResourceManager
	// Connect reaches the TaskExecutor of a TaskManager that is registered.
	Connect func(tm *pb.TaskManagerInfo) TaskExecutor
	Blobs   Blobs
	Conf    *conf.Config
	Log     *slog.Logger

	// Dir is the server's own directory, for temporary files and, unless web.upload.dir says otherwise, for uploaded
	// programs.
	Dir string
	// LogDir holds the JobManager's logs; LogFile and OutFile are the names in it of its own. Empty: none are served.
	LogDir, LogFile, OutFile string
	// Check refuses a job graph that cannot run, before its program is stored; nil leaves that to the Dispatcher.
	Check func(*graph.JobGraph) error
	// Token must come with every request if rest.auth.type is token.
	Token string
	// Version is that of flink-go, shown to people.
	Version string
	// Now is the clock, nil for the system's.
	Now func() time.Time
}

// Server is the REST server.
type Server struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	tmp     string
	jars    *jarStore
	plans   *planner
	uploads chan struct{} // one token per upload at once
	handler http.Handler
	started time.Time

	mu     sync.Mutex
	http   []*http.Server
	closed bool

	ctx  context.Context // ends at Close: what waits for a job gives up
	stop context.CancelFunc
}

// New makes a server; it opens no listener.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, now: cfg.Now, started: cfg.Now(),
		uploads: make(chan struct{}, maxUploads),
	}
	var err error
	if s.tmp, err = uploadDir(cfg); err != nil {
		return nil, core.E("start REST server", core.Internal, cfg.Dir, err)
	}
	dir := conf.WebUploadDir.Get(cfg.Conf)
	if dir == "" {
		dir = filepath.Join(cfg.Dir, "jars")
	}
	if s.jars, err = openJars(dir, maxJars); err != nil {
		return nil, core.E("start REST server", core.Internal, dir, err)
	}
	if conf.RestAuthType.Get(cfg.Conf) == "token" && cfg.Token == "" {
		return nil, core.E("start REST server", core.Invalid, "", fmt.Errorf("%s is token, but there is none", conf.RestAuthType.Key))
	}
	s.plans = newPlanner(s.log, maxPlans)
	// The handlers of a server are its requests' children; Close ends what they wait for.
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.handler = s.guard(newRouter(s.routes()))
	return s, nil
}

// uploadDir makes the directory of uploads that are on their way.
func uploadDir(cfg Config) (string, error) {
	if shared := conf.WebTmpDir.Get(cfg.Conf); shared != "" {
		return os.MkdirTemp(shared, "flink-go-upload-") // others may have theirs beside it
	}
	// What an earlier process left there was never complete.
	dir := filepath.Join(cfg.Dir, "upload")
	return dir, errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700))
}

// Handler answers requests. It does without the limits on connections that Serve adds.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on l until Close; it closes l. Its error after Close is nil.
func (s *Server) Serve(l net.Listener) error {
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       min(idleTimeout, conf.RestIdlenessTimeout.Get(s.cfg.Conf)),
		// The longest a request may take; bodies and answers have deadlines of their own that follow their progress.
		WriteTimeout:   conf.WebTimeout.Get(s.cfg.Conf),
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnState:      newCrowd(maxConnections).changed,
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(l.Close(), core.E("serve REST", core.Canceled, "", nil))
	}
	s.http = append(s.http, srv)
	s.mu.Unlock()
	s.log.Info("REST server listens", "address", l.Addr().String())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return core.E("serve REST", core.Internal, l.Addr().String(), err)
	}
	return nil
}

// Close ends the server: requests get a moment to be answered, those that wait for a job are given up, child
// processes are killed. It returns when all are gone.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	servers := s.http
	s.mu.Unlock()
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			errs = append(errs, srv.Close())
		}
	}
	s.plans.close()
	errs = append(errs, s.jars.close(), os.RemoveAll(s.tmp))
	return errors.Join(errs...)
}
