package wire

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

const (
	headerEndpoint = "flinkgo-endpoint"
	headerToken    = "flinkgo-token" // hex; absent: the zero token
)

// served is an endpoint of this server.
type served struct {
	token   core.Token
	gateway any
}

// Serve makes gateway reachable under an endpoint name.
func (s *Service) Serve(endpoint string, token core.Token, gateway any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed("serve", endpoint)
	}
	if _, exists := s.endpoints[endpoint]; exists {
		return core.E("serve", core.AlreadyExists, endpoint, errors.New("an endpoint of this name is served"))
	}
	s.endpoints[endpoint] = served{token, gateway}
	return nil
}

// Remove ends what Serve began.
func (s *Service) Remove(endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.endpoints, endpoint)
}

// gateway finds the endpoint that an incoming call means and checks its token.
func (s *Service) gateway(ctx context.Context, method string) (gateway any, endpoint string, err error) {
	op := shortName(method)
	md, _ := metadata.FromIncomingContext(ctx)
	names := md.Get(headerEndpoint)
	if len(names) != 1 {
		return nil, "", core.E(op, core.Invalid, "", errors.New("the call names no endpoint"))
	}
	endpoint = clipName(names[0])
	var token core.Token
	if tokens := md.Get(headerToken); len(tokens) > 0 {
		raw, err := hex.DecodeString(tokens[0])
		if err == nil {
			token, err = core.TokenFromBytes(raw)
		}
		if err != nil || len(tokens) > 1 {
			return nil, endpoint, core.E(op, core.Invalid, endpoint, errors.New("the call carries a malformed fencing token"))
		}
	}
	s.mu.Lock()
	target, exists := s.endpoints[names[0]]
	s.mu.Unlock()
	if !exists {
		return nil, endpoint, rpc.NotServed(op, endpoint)
	}
	return target.gateway, endpoint, rpc.CheckToken(op, endpoint, target.token, token)
}

// clipName shortens a foreign endpoint name for an error.
func clipName(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

// unary describes a method with one response.
func unary[G, In, Out any](s *Service, method string, call func(G, context.Context, *In) (*Out, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: shortName(method),
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			gateway, endpoint, err := s.gateway(ctx, method)
			if err != nil {
				return nil, toStatus(method, err)
			}
			g, ok := gateway.(G)
			if !ok {
				return nil, toStatus(method, rpc.WrongGateway(shortName(method), endpoint, gateway))
			}
			in := new(In)
			if err := decode(in); err != nil {
				return nil, err // a status already
			}
			out, err := call(g, ctx, in)
			if err != nil {
				return nil, toStatus(method, err)
			}
			return out, nil
		},
	}
}

// streamed describes a method whose response is a sequence of bytes; wrap makes a message of a piece.
func streamed[G, In, Piece any](s *Service, method string, call func(G, context.Context, *In, func([]byte) error) error, wrap func([]byte) *Piece) grpc.StreamDesc {
	return grpc.StreamDesc{
		StreamName:    shortName(method),
		ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			ctx := stream.Context()
			gateway, endpoint, err := s.gateway(ctx, method)
			if err != nil {
				return toStatus(method, err)
			}
			g, ok := gateway.(G)
			if !ok {
				return toStatus(method, rpc.WrongGateway(shortName(method), endpoint, gateway))
			}
			in := new(In)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			err = call(g, ctx, in, func(b []byte) error { return stream.SendMsg(wrap(b)) })
			return toStatus(method, err)
		},
	}
}

// describe puts methods into the place of those of a generated description, whose handlers know one gateway per
// server instead of many endpoints.
func describe(generated *grpc.ServiceDesc, methods []grpc.MethodDesc, streams ...grpc.StreamDesc) grpc.ServiceDesc {
	return grpc.ServiceDesc{
		ServiceName: generated.ServiceName,
		HandlerType: (*any)(nil),
		Methods:     methods,
		Streams:     streams,
		Metadata:    generated.Metadata,
	}
}
