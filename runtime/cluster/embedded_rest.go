package cluster

import (
	"errors"
	"log/slog"
	"os"
	"sync"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/runtime/blob"
	"github.com/flink-go/flink-go/web"
)

// embeddedREST is the dashboard of an embedded cluster.
type embeddedREST struct {
	dir     string
	server  *web.Server
	serving sync.WaitGroup
}

// ServeREST opens the REST API and the dashboard of the cluster on rest.bind-address and rest.bind-port, and returns
// its URL. Jobs cannot be submitted there: the cluster runs the job of its process only. It is called once.
func (e *Embedded) ServeREST(c *conf.Config, log *slog.Logger) (string, error) {
	if err := c.CheckListeners(conf.RestBindAddress); err != nil {
		return "", err
	}
	c, err := c.With(map[string]string{conf.WebSubmitEnable.Key: "false", conf.RestAuthType.Key: "none"}, "embedded cluster")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(c.WorkingDir(), "flink-go-embedded-")
	if err != nil {
		return "", core.E("start REST server", core.Invalid, "", err)
	}
	r := &embeddedREST{dir: dir}
	store, err := blob.NewStore(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	r.server, err = web.New(web.Config{
		Dispatcher:      e.control.dispatcher,
		ResourceManager: e.control.rm,
		Connect: func(tm *pb.TaskManagerInfo) web.TaskExecutor {
			return e.service.TaskExecutor(rpc.Address{Server: tm.GetRpcAddress(), Endpoint: tm.GetEndpoint()})
		},
		Blobs: blobs{store}, Conf: c, Log: log, Dir: dir, Version: Version(),
	})
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	l, err := listen(conf.RestBindAddress.Get(c), conf.RestBindPort.Get(c), conf.RestBindPort.Key)
	if err != nil {
		return "", errors.Join(err, r.close())
	}
	r.serving.Go(func() { // ends with the server
		if err := r.server.Serve(l); err != nil {
			log.Error("REST ended", "error", err)
		}
	})
	e.rest = r
	return "http://" + advertised(l, conf.RestAddress.Get(c)), nil
}

func (r *embeddedREST) close() error {
	err := r.server.Close()
	r.serving.Wait()
	return errors.Join(err, os.RemoveAll(r.dir))
}
