package wire

import (
	"context"
	"errors"
	"strings"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/rpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// codeOf is the status code of each kind, as other gRPC tools show it. The kind itself travels beside it.
func codeOf(k core.Kind) codes.Code {
	switch k {
	case core.Invalid:
		return codes.InvalidArgument
	case core.NotFound:
		return codes.NotFound
	case core.AlreadyExists:
		return codes.AlreadyExists
	case core.Conflict:
		return codes.FailedPrecondition
	case core.Unavailable, core.Lost:
		return codes.Unavailable
	case core.Fenced:
		return codes.Aborted
	case core.NoResource:
		return codes.OutOfRange
	case core.UserCode:
		return codes.Unknown
	case core.Canceled:
		return codes.Canceled
	case core.PermissionDenied:
		return codes.PermissionDenied
	case core.TooLarge:
		return codes.ResourceExhausted
	default:
		return codes.Internal
	}
}

// kindOf is the kind of a status that gRPC itself made, or a foreign server.
func kindOf(c codes.Code) core.Kind {
	switch c {
	case codes.InvalidArgument, codes.Unimplemented:
		return core.Invalid
	case codes.NotFound:
		return core.NotFound
	case codes.AlreadyExists:
		return core.AlreadyExists
	case codes.FailedPrecondition:
		return core.Conflict
	case codes.Unavailable, codes.DeadlineExceeded:
		return core.Unavailable
	case codes.Aborted:
		return core.Fenced
	case codes.OutOfRange:
		return core.NoResource
	case codes.Canceled:
		return core.Canceled
	case codes.PermissionDenied, codes.Unauthenticated:
		return core.PermissionDenied
	case codes.ResourceExhausted:
		return core.TooLarge
	default:
		return core.Internal
	}
}

const (
	errorDomain = "flink-go" // of the detail that carries a core.Error
	keyOp       = "op"
	keyID       = "id"
	keyCause    = "cause"
	// maxErrorText bounds what an error may occupy in the trailers of a response.
	maxErrorText = 8 << 10
)

// toStatus packs err for the wire.
func toStatus(method string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*core.Error](err)
	if !ok {
		e = core.E(shortName(method), core.Internal, "", err)
	} else if error(e) != err { //nolint:errorlint // is there text around e? It counts too
		e = core.E(shortName(method), e.Kind, e.ID, err)
	}
	detail := &errdetails.ErrorInfo{Reason: e.Kind.String(), Domain: errorDomain, Metadata: map[string]string{
		keyOp: clip(e.Op),
		keyID: clip(e.ID),
	}}
	if e.Err != nil {
		detail.Metadata[keyCause] = clip(e.Err.Error())
	}
	s := status.New(codeOf(e.Kind), clip(e.Error()))
	if withDetail, err := s.WithDetails(detail); err == nil {
		s = withDetail
	}
	return s.Err()
}

// fromStatus makes a core.Error of what a call returned.
func fromStatus(ctx context.Context, method, endpoint string, err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return core.E(shortName(method), core.Internal, endpoint, err)
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			if e := unpack(info); e != nil {
				return e
			}
		}
	}
	if ctx.Err() != nil {
		return rpc.ContextError(ctx, shortName(method), endpoint)
	}
	return core.E(shortName(method), kindOf(s.Code()), endpoint, errors.New(s.Message()))
}

func unpack(info *errdetails.ErrorInfo) *core.Error {
	for k := core.Internal; k.String() != "unknown"; k++ {
		if k.String() != info.GetReason() {
			continue
		}
		m := info.GetMetadata()
		e := core.E(m[keyOp], k, m[keyID], nil)
		if cause, ok := m[keyCause]; ok {
			e.Err = errors.New(cause)
		}
		return e
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxErrorText {
		s = s[:maxErrorText] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// shortName is "SubmitJob" of "/flinkgo.v1.Dispatcher/SubmitJob".
func shortName(method string) string { return method[strings.LastIndexByte(method, '/')+1:] }
