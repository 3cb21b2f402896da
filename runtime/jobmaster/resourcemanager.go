package jobmaster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/slots"
)

// resourceManager is the JobMaster's side of the connection to the active ResourceManager: it registers, again
// whenever the connection is lost, and keeps the declaration there equal to what the pool requires. It lives on the
// main goroutine.
type resourceManager struct {
	m       *JobMaster
	monitor *rpc.Monitor[struct{}]
	gateway rpc.ResourceManagerGateway // nil: not registered
	stopped bool

	required  []slots.Requirement // what must be declared
	declaring bool                // a call is under way
	changed   bool                // required is not what was last declared
	retries   int                 // of the declaration, since the last success
	watching  bool                // the cluster's slots are asked for while the job waits for slots
}

// clusterInterval is how often a job that waits for slots asks what there is; clusterFirst is the wait before the
// first time, within which most jobs have got theirs.
const (
	clusterFirst    = 300 * time.Millisecond
	clusterInterval = 2 * time.Second
)

// goodbyeTimeout bounds how long the slots of an ended job wait for a ResourceManager that does not answer.
const goodbyeTimeout = 2 * time.Second

func newResourceManager(m *JobMaster) *resourceManager {
	r := &resourceManager{m: m}
	r.monitor = rpc.NewMonitor(m.ep, rpc.HeartbeatConfig{Interval: m.cfg.HeartbeatInterval, Timeout: m.cfg.HeartbeatTimeout},
		func(_ struct{}, cause error) { r.lost(cause) })
	return r
}

// connect registers at the ResourceManager and tries until that works. Which one it is is found out each time.
func (r *resourceManager) connect() {
	m := r.m
	address := m.Address()
	type connection struct {
		gateway rpc.ResourceManagerGateway
		address rpc.Address
	}
	warned := false
	rpc.Await(m.ep, func(ctx context.Context) (c connection, err error) {
		err = rpc.Retry(ctx, rpc.Backoff{}, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, m.cfg.RPCTimeout)
			defer cancel()
			if c.address, err = m.cfg.ResourceManager(ctx); err == nil {
				c.gateway = m.cfg.Service.ResourceManager(c.address)
				_, err = c.gateway.RegisterJobMaster(ctx, &pb.RegisterJobMasterRequest{
					JobId: m.cfg.Job.ID.Bytes(), RpcAddress: address.Server, Endpoint: address.Endpoint, Token: address.Token.Bytes(),
				})
			}
			if err != nil {
				if !warned {
					warned = true
					m.log.Warn("the ResourceManager does not answer; trying on", "address", c.address.Server, keyCause, err)
				}
				// Whatever it is, it may be otherwise at the next leader.
				return core.E("register at the ResourceManager", core.Unavailable, c.address.Server, err)
			}
			return nil
		})
		return c, err
	}, func(c connection, err error) {
		if err != nil || r.stopped {
			return // only when the JobMaster ends
		}
		m.log.Info("registered at the ResourceManager", "address", c.address.Server)
		r.gateway = c.gateway
		m.pool.SetCluster(slots.PoolCluster{Reached: true})
		r.monitor.Watch(struct{}{}, rpc.Exchange(
			func() *pb.HeartbeatFromJobMasterRequest {
				return &pb.HeartbeatFromJobMasterRequest{JobId: m.cfg.Job.ID.Bytes()}
			},
			c.gateway.HeartbeatFromJobMaster,
			func(*pb.HeartbeatFromJobMasterResponse) {}))
		r.monitor.WatchConnection(struct{}{}, m.cfg.Service, c.address.Server)
		r.changed = true
		r.send()
	})
}

// lost goes on after the connection broke: slots and tasks stay as they are, only new slots have to wait.
func (r *resourceManager) lost(cause error) {
	if r.stopped || r.gateway == nil {
		return
	}
	r.m.log.Warn("the ResourceManager was lost", keyCause, cause)
	r.gateway = nil
	r.monitor.Forget(struct{}{})
	r.m.pool.SetCluster(slots.PoolCluster{})
	r.connect()
}

// declare takes what the job needs now.
func (r *resourceManager) declare(required []slots.Requirement) {
	r.required, r.changed = required, true
	r.send()
	r.watchCluster()
}

// send declares, unless a call is under way: then the newest requirements follow it.
func (r *resourceManager) send() {
	if r.declaring || !r.changed || r.gateway == nil || r.stopped {
		return
	}
	m, gateway := r.m, r.gateway
	r.declaring, r.changed = true, false
	in := &pb.DeclareRequiredResourcesRequest{JobId: m.cfg.Job.ID.Bytes(), JobMasterToken: m.token.Bytes()}
	for _, q := range r.required {
		in.Requirements = append(in.Requirements, &pb.ResourceRequirement{
			Profile: &pb.ResourceProfile{CpuMilli: q.Profile.CPUMilli, MemoryBytes: q.Profile.MemoryBytes}, Count: int32(q.Count),
		})
	}
	rpc.Await(m.ep, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, m.cfg.RPCTimeout)
		defer cancel()
		_, err := gateway.DeclareRequiredResources(ctx, in)
		return struct{}{}, err
	}, func(_ struct{}, err error) {
		r.declaring = false
		switch {
		case err == nil:
			r.retries = 0
			r.send()
		case r.stopped || r.gateway != gateway:
			r.send()
		case core.KindOf(err) == core.Unavailable && r.retries < 3:
			r.changed = true
			wait := 100 * time.Millisecond << r.retries
			r.retries++
			m.ep.After(wait, r.send)
		default: // it does not know this JobMaster, or does not answer any more
			r.retries = 0
			r.lost(fmt.Errorf("declare required resources: %w", err))
		}
	})
}

// watchCluster asks what there is in the cluster as long as slots are missing, to tell people what the job waits for.
func (r *resourceManager) watchCluster() {
	if r.watching || r.m.pool.Counts().Pending == 0 {
		return
	}
	r.watching = true
	r.m.ep.After(clusterFirst, r.askCluster)
}

func (r *resourceManager) askCluster() {
	m, gateway := r.m, r.gateway
	if r.stopped || m.pool.Counts().Pending == 0 {
		r.watching = false
		return
	}
	rpc.Await(m.ep, func(ctx context.Context) (*pb.RequestTaskManagersResponse, error) {
		if gateway == nil {
			return nil, core.E("request TaskManagers", core.Unavailable, "", errors.New("not registered"))
		}
		ctx, cancel := context.WithTimeout(ctx, m.cfg.RPCTimeout)
		defer cancel()
		return gateway.RequestTaskManagers(ctx, &pb.RequestTaskManagersRequest{})
	}, func(answer *pb.RequestTaskManagersResponse, err error) {
		if err == nil && r.gateway == gateway {
			c := slots.PoolCluster{Reached: true, Known: true, TaskManagers: len(answer.GetTaskManagers())}
			for _, tm := range answer.GetTaskManagers() {
				c.Total += int(tm.GetSlotsTotal())
				c.Free += int(tm.GetSlotsFree())
			}
			m.pool.SetCluster(c)
		}
		m.ep.After(clusterInterval, r.askCluster)
	})
}

// disconnect tells the ResourceManager that the job has ended, if it is reached; then is called in any case.
func (r *resourceManager) disconnect(status string, then func()) {
	gateway := r.gateway
	r.stop()
	if gateway == nil {
		then()
		return
	}
	m := r.m
	rpc.Await(m.ep, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, min(m.cfg.RPCTimeout, goodbyeTimeout))
		defer cancel()
		_, err := gateway.DisconnectJobMaster(ctx, &pb.DisconnectJobMasterRequest{
			JobId: m.cfg.Job.ID.Bytes(), JobMasterToken: m.token.Bytes(), JobStatus: status,
		})
		return struct{}{}, err
	}, func(_ struct{}, err error) {
		if err != nil {
			m.log.Warn("the ResourceManager did not hear of the end of the job; it notices by its heartbeats", keyCause, err)
		}
		then()
	})
}

// stop ends the connection without a word.
func (r *resourceManager) stop() {
	r.stopped, r.gateway = true, nil
	r.monitor.Stop()
}
