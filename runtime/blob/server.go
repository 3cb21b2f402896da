package blob

import (
	"context"
	"errors"
	"io"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// EndpointName is under which name a Server is served.
const EndpointName = "blob"

// chunkSize is how many bytes of a blob travel in one message.
const chunkSize = 256 << 10

// Server hands out the blobs of a Store. It has no state of its own and needs no endpoint goroutine.
type Server struct{ store *Store }

var _ rpc.BlobGateway = (*Server)(nil)

// NewServer makes the gateway over a store.
func NewServer(store *Store) *Server { return &Server{store} }

// ReadBlob gives a blob in pieces. The receiver checks them against the key; a blob that is damaged on disk is
// noticed there.
func (s *Server) ReadBlob(ctx context.Context, in *pb.ReadBlobRequest, chunk func([]byte) error) error {
	key, err := core.BlobKeyFromBytes(in.GetKey())
	if err != nil {
		return core.E("read blob", core.Invalid, "", err)
	}
	f, _, err := s.store.Open(key)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	buf := make([]byte, chunkSize)
	for {
		if ctx.Err() != nil {
			return rpc.ContextError(ctx, "read blob", key.String())
		}
		n, err := io.ReadFull(f, buf)
		if n > 0 {
			if err := chunk(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return core.E("read blob", core.Internal, key.String(), err)
		}
	}
}
