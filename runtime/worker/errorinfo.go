package worker

import (
	"errors"
	"fmt"

	"github.com/flink-go/flink-go/core"
	"github.com/flink-go/flink-go/graph/operator"
	pb "github.com/flink-go/flink-go/rpc/proto"
)

// maxMessage bounds the text of a failure on its way: a program may put anything into an error.
const maxMessage = 64 << 10

// ErrorInfo is the wire form of err; nil is nil.
func ErrorInfo(err error) *pb.ErrorInfo {
	if err == nil {
		return nil
	}
	info := &pb.ErrorInfo{Message: Clip(err.Error(), maxMessage), Kind: core.KindOf(err).String()}
	if f, ok := errors.AsType[*operator.Failure](err); ok {
		info.Stack = Clip(f.Stack, maxMessage)
		info.Kind = core.UserCode.String()
		err = f.Err
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	info.Type = fmt.Sprintf("%T", err)
	return info
}

// Clip cuts s in the middle when it is longer than limit, with a note of how much is missing.
func Clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	half := limit / 2
	return fmt.Sprintf("%s\n... %d bytes left out ...\n%s", s[:half], len(s)-2*half, s[len(s)-half:])
}
