package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/rpc/wire"
	"github.com/flink-go/flink-go/runtime/blob"
	"github.com/flink-go/flink-go/runtime/dispatcher"
	"github.com/flink-go/flink-go/runtime/metrics"
	"github.com/flink-go/flink-go/web"
)

// JobManager is a JobManager process (S-086): one leader session of Dispatcher and ResourceManager, the blob store,
// metrics on an RPC server of their own (S-217), and REST.
type JobManager struct {
	ready   Ready
	log     *slog.Logger
	dir     *workDir
	service *wire.Service
	metrics *wire.Service
	query   *metrics.QueryService
	control *control
	web     *web.Server
	serving sync.WaitGroup // of the REST server

	end  sync.Once
	done chan struct{} // closed when a client wants the cluster to end
	err  error         // why; valid after done is closed

	closing sync.Once
	closed  error
}

// StartJobManager starts a JobManager with the configuration c and returns when it takes jobs.
func StartJobManager(c *conf.Config, log *slog.Logger) (*JobManager, error) {
	if err := c.CheckListeners(conf.JobManagerBindHost, conf.RestBindAddress); err != nil {
		return nil, err
	}
	warnInsecure(c, log)
	m := &JobManager{log: log, done: make(chan struct{})}
	if err := m.start(c); err != nil {
		return nil, errors.Join(err, m.Close(context.Background()))
	}
	return m, nil
}

func (m *JobManager) start(c *conf.Config) error {
	rpcPort := conf.JobManagerRPCPort.Get(c)
	if bind, set := conf.JobManagerRPCBindPort.Lookup(c); set {
		rpcPort = bind
	}
	bindHost := conf.JobManagerBindHost.Get(c)
	rpcListener, err := listen(bindHost, onePort(rpcPort), conf.JobManagerRPCPort.Key)
	if err != nil {
		return err
	}
	m.service = wire.NewService(rpcListener, wire.Options{Address: advertised(rpcListener, conf.JobManagerRPCAddress.Get(c)), Log: m.log})
	restListener, err := listen(conf.RestBindAddress.Get(c), conf.RestBindPort.Get(c), conf.RestBindPort.Key)
	if err != nil {
		return err
	}
	// From here on the REST listener has no owner but this function, until the server takes it.
	if err := m.startComponents(c, bindHost); err != nil {
		return errors.Join(err, restListener.Close())
	}
	m.serving.Go(func() { // ends with the server
		if err := m.web.Serve(restListener); err != nil {
			m.finish(err)
		}
	})
	m.ready = Ready{
		PID:  os.Getpid(),
		RPC:  m.service.Address(),
		REST: "http://" + advertised(restListener, conf.RestAddress.Get(c)),
	}
	m.log.Info("JobManager is up", "rpc", m.ready.RPC, "rest", m.ready.REST, "dir", m.dir.path)
	return nil
}

// startComponents starts all that is not REST's listener.
func (m *JobManager) startComponents(c *conf.Config, bindHost string) error {
	name, set := conf.JobManagerResourceID.Lookup(c)
	if !set {
		name = resourceName(m.service.Address())
	}
	var err error
	if m.dir, err = openWorkDir(c.WorkingDir(), "jm_"+fileName(name)); err != nil {
		return err
	}
	blobDir := filepath.Join(m.dir.path, "blobs")
	if configured := conf.BlobStorageDirectory.Get(c); configured != "" {
		blobDir = configured
	}
	store, err := blob.NewStore(blobDir)
	if err != nil {
		return err
	}
	if err := m.service.Serve(blob.EndpointName, core.Token{}, blob.NewServer(store)); err != nil {
		return err
	}
	if m.metrics, m.query, err = startMetrics(bindHost, m.log); err != nil {
		return err
	}
	d, err := newDriver(c, m.log, m.service.Address(), m.dir)
	if err != nil {
		return err
	}
	unused := func(program core.BlobKey) {
		if err := store.Remove(program); err != nil {
			m.log.Warn("unused program was not removed", "error", err)
		}
	}
	if m.control, err = startControl(c, m.log, m.service, d, func() { m.finish(nil) }, unused); err != nil {
		return err
	}
	return m.startWeb(c, store)
}

func (m *JobManager) startWeb(c *conf.Config, store *blob.Store) error {
	dir, err := m.dir.sub("web")
	if err != nil {
		return err
	}
	token, err := restToken(c, m.dir, m.log)
	if err != nil {
		return err
	}
	cfg := web.Config{
		Dispatcher:      m.control.dispatcher,
		ResourceManager: m.control.rm,
		Connect: func(tm *pb.TaskManagerInfo) web.TaskExecutor {
			return m.service.TaskExecutor(rpc.Address{Server: tm.GetRpcAddress(), Endpoint: tm.GetEndpoint()})
		},
		Blobs:   blobs{store},
		Check:   dispatcher.DefaultQuotas().Check,
		Conf:    c,
		Log:     m.log,
		Dir:     dir,
		Token:   token,
		Version: Version(),
	}
	if path := conf.WebLogPath.Get(c); path != "" {
		cfg.LogDir, cfg.LogFile = filepath.Dir(path), filepath.Base(path)
		cfg.OutFile = strings.TrimSuffix(cfg.LogFile, ".log") + ".out"
	}
	m.web, err = web.New(cfg)
	return err
}

// Ready tells how the JobManager is reached.
func (m *JobManager) Ready() Ready { return m.ready }

// Done is closed when a client asked for the end of the cluster, or REST broke; the JobManager still has to be closed.
func (m *JobManager) Done() <-chan struct{} { return m.done }

// Err returns why Done was closed, nil for a request.
func (m *JobManager) Err() error { return m.err }

// EndWithJob makes this a cluster for the job that was submitted: Done is closed after its end.
func (m *JobManager) EndWithJob() { m.control.dispatcher.EndWithJob() }

func (m *JobManager) finish(err error) {
	m.end.Do(func() {
		m.err = err
		close(m.done)
	})
}

// Close ends what was started, the last first. It is idempotent.
func (m *JobManager) Close(context.Context) error {
	m.closing.Do(func() { m.closed = m.close() })
	return m.closed
}

func (m *JobManager) close() error {
	var errs []error
	if m.web != nil {
		errs = append(errs, m.web.Close())
		m.serving.Wait()
	}
	if m.control != nil {
		errs = append(errs, m.control.dispatcher.Close(), m.control.rm.Close())
	}
	if m.query != nil {
		errs = append(errs, m.query.Close(), m.metrics.Close())
	}
	if m.service != nil {
		errs = append(errs, m.service.Close())
	}
	if m.dir != nil {
		errs = append(errs, m.dir.close(true))
	}
	return errors.Join(errs...)
}

// blobs is the blob store as REST sees it.
type blobs struct{ *blob.Store }

// Open opens a blob for reading.
func (b blobs) Open(key core.BlobKey) (*os.File, error) {
	f, _, err := b.Store.Open(key)
	return f, err
}

// startMetrics serves the metrics of this process, and what more tells, on an RPC server of their own.
func startMetrics(host string, log *slog.Logger, more ...func() []*pb.Metric) (*wire.Service, *metrics.QueryService, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, nil, core.E("listen for metrics", core.Invalid, host, err)
	}
	service := wire.NewService(l, wire.Options{Address: advertised(l, host), Log: log})
	registry := metrics.NewRegistry()
	for _, p := range append(more, metrics.Process()) {
		registry.Provider(p)
	}
	query, err := metrics.NewQueryService(service, registry, log)
	if err != nil {
		return nil, nil, errors.Join(err, service.Close())
	}
	return service, query, nil
}

// advertised is the address under which others reach l: the host that is configured for that, unless it means this
// machine alone, when the listener's own address says it without a resolver.
func advertised(l net.Listener, host string) string {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok || at.IP.IsLoopback() || host == "" || host == "0.0.0.0" || host == "::" {
		return l.Addr().String()
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// resourceName is Flink's form of a process's name: its address and six random hex digits.
func resourceName(address string) string { return address + "-" + core.NewInstanceID().String()[:6] }

// fileName makes a name safe for a folder.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == os.PathSeparator || r < ' ' {
			return '_'
		}
		return r
	}, strings.TrimLeft(name, "."))
}

// warnInsecure says what somebody chose (SEC-01).
func warnInsecure(c *conf.Config, log *slog.Logger) {
	if conf.SecurityInsecure.Get(c) {
		log.Warn("listeners may be open to other machines without authentication", "key", conf.SecurityInsecure.Key)
	}
}
