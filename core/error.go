package core

import (
	"errors"
	"strings"
)

// Kind is the class of an error: what its caller may do about it. It alone maps to gRPC code, HTTP status and exit
// code, in one table each (rpc/wire, web, cmd/flink-go).
type Kind uint8

// The kinds of errors.
const (
	Internal         Kind = iota // a fault of ours
	Invalid                      // the request can never succeed as it is
	NotFound                     // what it names does not exist
	AlreadyExists                // what it would make exists already
	Conflict                     // the state of what it names does not allow it (ended job)
	Unavailable                  // try again later: no leader, not registered, connection lost
	Fenced                       // the caller acts for, or talks to, a leader session that is over
	NoResource                   // slots were wanted and not there in time
	UserCode                     // the user's program failed
	Canceled                     // the work was given up on request
	PermissionDenied             // missing or wrong credentials
	TooLarge                     // over a size limit
	Lost                         // a process or machine at work is gone, by nothing that the program did
	numKinds
)

var kindNames = [numKinds]string{"internal", "invalid", "not found", "already exists", "conflict", "unavailable",
	"fenced", "no resource", "user code", "canceled", "permission denied", "too large", "lost"}

func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "unknown"
}

// Error says which operation on what went wrong, and of which kind that is.
type Error struct {
	Op   string // what was being done: "submit job"
	Kind Kind
	ID   string // to what: "a94f...", may be empty
	Err  error
}

// E makes an Error.
func E(op string, kind Kind, id string, err error) *Error { return &Error{op, kind, id, err} }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.ID != "" {
		b.WriteString(" ")
		b.WriteString(e.ID)
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(": ")
		b.WriteString(e.Kind.String())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
