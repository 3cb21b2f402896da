package core

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// id is the shape of every 128-bit identifier. Text form: 32 lower-case hex digits, as Flink's.
type id [16]byte

func newID() id {
	var x id
	// crypto/rand.Read never returns an error (documented since Go 1.24).
	_, _ = rand.Read(x[:])
	return x
}

func parseID(kind, s string) (id, error) {
	var x id
	if len(s) != 2*len(x) {
		return x, fmt.Errorf("cannot parse %s from %q: the expected format is [0-9a-fA-F]{32}", kind, clip(s))
	}
	if _, err := hex.Decode(x[:], []byte(s)); err != nil {
		return x, fmt.Errorf("cannot parse %s from %q: the expected format is [0-9a-fA-F]{32}", kind, clip(s))
	}
	return x, nil
}

// clip shortens foreign text for an error message.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

func idFromBytes(kind string, b []byte) (id, error) {
	var x id
	if len(b) != len(x) {
		return x, fmt.Errorf("cannot read %s: it has %d bytes, want %d", kind, len(b), len(x))
	}
	copy(x[:], b)
	return x, nil
}

func hashID(parts ...string) id {
	h := sha256.New()
	for _, p := range parts {
		// The length keeps ("a","bc") and ("ab","c") apart.
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	var x id
	copy(x[:], h.Sum(nil))
	return x
}

// JobID names one submission of a job. The client chooses it, so that a repeated submission is the same job.
type JobID id

// NewJobID returns a random id.
func NewJobID() JobID { return JobID(newID()) }

// ParseJobID reads the 32-digit hex form.
func ParseJobID(s string) (JobID, error) { x, err := parseID("JobID", s); return JobID(x), err }

// JobIDFromBytes reads the 16-byte wire form.
func JobIDFromBytes(b []byte) (JobID, error) { x, err := idFromBytes("JobID", b); return JobID(x), err }

func (x JobID) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x JobID) Bytes() []byte { return x[:] }

// MarshalText makes the id hex in JSON.
func (x JobID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (x *JobID) UnmarshalText(b []byte) (err error) { *x, err = ParseJobID(string(b)); return err }

// VertexID names a JobVertex: a chain of operators. It is derived from the ids of its operators, so it is the same
// in every process that builds the same graph.
type VertexID id

// HashVertexID derives a vertex id from what identifies it.
func HashVertexID(parts ...string) VertexID { return VertexID(hashID(parts...)) }

// ParseVertexID reads the 32-digit hex form.
func ParseVertexID(s string) (VertexID, error) {
	x, err := parseID("JobVertexID", s)
	return VertexID(x), err
}

// VertexIDFromBytes reads the 16-byte wire form.
func VertexIDFromBytes(b []byte) (VertexID, error) {
	x, err := idFromBytes("JobVertexID", b)
	return VertexID(x), err
}

func (x VertexID) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x VertexID) Bytes() []byte { return x[:] }

// MarshalText makes the id hex in JSON.
func (x VertexID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (x *VertexID) UnmarshalText(b []byte) (err error) {
	*x, err = ParseVertexID(string(b))
	return err
}

// OperatorID names one operator of a job: the hash of its uid, or of its place in the graph when it has none. State
// is found by it.
type OperatorID id

// HashOperatorID derives an operator id from what identifies it.
func HashOperatorID(parts ...string) OperatorID { return OperatorID(hashID(parts...)) }

// ParseOperatorID reads the 32-digit hex form.
func ParseOperatorID(s string) (OperatorID, error) {
	x, err := parseID("OperatorID", s)
	return OperatorID(x), err
}

// OperatorIDFromBytes reads the 16-byte wire form.
func OperatorIDFromBytes(b []byte) (OperatorID, error) {
	x, err := idFromBytes("OperatorID", b)
	return OperatorID(x), err
}

func (x OperatorID) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x OperatorID) Bytes() []byte { return x[:] }

// MarshalText makes the id hex in JSON.
func (x OperatorID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (x *OperatorID) UnmarshalText(b []byte) (err error) {
	*x, err = ParseOperatorID(string(b))
	return err
}

// AllocationID names one allocation of a slot to a job. It is never used again once the slot was freed.
type AllocationID id

// NewAllocationID returns a random id.
func NewAllocationID() AllocationID { return AllocationID(newID()) }

// AllocationIDFromBytes reads the 16-byte wire form.
func AllocationIDFromBytes(b []byte) (AllocationID, error) {
	x, err := idFromBytes("AllocationID", b)
	return AllocationID(x), err
}

func (x AllocationID) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x AllocationID) Bytes() []byte { return x[:] }

// MarshalText makes the id hex in JSON.
func (x AllocationID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (x *AllocationID) UnmarshalText(b []byte) error {
	y, err := parseID("AllocationID", string(b))
	*x = AllocationID(y)
	return err
}

// Token is a fencing token: every leader session of an endpoint has a new one, and a call that carries another is
// refused before it reaches the endpoint's mailbox. The zero Token is for endpoints that are not fenced.
type Token id

// NewToken returns a random token.
func NewToken() Token { return Token(newID()) }

// TokenFromBytes reads the 16-byte wire form; no bytes is the zero Token.
func TokenFromBytes(b []byte) (Token, error) {
	if len(b) == 0 {
		return Token{}, nil
	}
	x, err := idFromBytes("fencing token", b)
	return Token(x), err
}

func (x Token) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x Token) Bytes() []byte { return x[:] }

// IsZero tells whether this is the token of an endpoint that is not fenced.
func (x Token) IsZero() bool { return x == Token{} }

// InstanceID names one registration of a TaskExecutor at the ResourceManager.
type InstanceID id

// NewInstanceID returns a random id.
func NewInstanceID() InstanceID { return InstanceID(newID()) }

func (x InstanceID) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x InstanceID) Bytes() []byte { return x[:] }

// ResourceID names a TaskManager process: "host:port-<6 hex>" unless configured. A restarted one has a new name.
type ResourceID string

// SlotID names a slot of a TaskManager.
type SlotID struct {
	Resource ResourceID `json:"resource"`
	Number   int        `json:"number"`
}

func (s SlotID) String() string { return fmt.Sprintf("%s_%d", s.Resource, s.Number) }

// BlobKey is the SHA-256 of a blob's content.
type BlobKey [sha256.Size]byte

// BlobKeyOf returns the key of content.
func BlobKeyOf(content []byte) BlobKey { return sha256.Sum256(content) }

// ParseBlobKey reads the 64-digit hex form.
func ParseBlobKey(s string) (BlobKey, error) {
	var k BlobKey
	if len(s) != 2*len(k) {
		return k, fmt.Errorf("cannot parse blob key from %q: want 64 hex digits", clip(s))
	}
	if _, err := hex.Decode(k[:], []byte(s)); err != nil {
		return k, fmt.Errorf("cannot parse blob key from %q: want 64 hex digits", clip(s))
	}
	return k, nil
}

// BlobKeyFromBytes reads the 32-byte wire form.
func BlobKeyFromBytes(b []byte) (BlobKey, error) {
	var k BlobKey
	if len(b) != len(k) {
		return k, fmt.Errorf("cannot read blob key: it has %d bytes, want %d", len(b), len(k))
	}
	copy(k[:], b)
	return k, nil
}

func (k BlobKey) String() string { return hex.EncodeToString(k[:]) }

// Bytes is the wire form.
func (k BlobKey) Bytes() []byte { return k[:] }

// IsZero tells that there is no blob: the job's program is this very process (embedded mode).
func (k BlobKey) IsZero() bool { return k == BlobKey{} }

// MarshalText makes the key hex in JSON.
func (k BlobKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (k *BlobKey) UnmarshalText(b []byte) (err error) { *k, err = ParseBlobKey(string(b)); return err }

// GraphID names one ExecutionGraph: one run of a JobMaster over a job. Attempt ids carry it, so that attempts of a
// JobMaster that lost its leadership never equal those of its successor.
type GraphID id

// NewGraphID returns a random id.
func NewGraphID() GraphID { return GraphID(newID()) }

// GraphIDFromBytes reads the 16-byte wire form.
func GraphIDFromBytes(b []byte) (GraphID, error) {
	x, err := idFromBytes("GraphID", b)
	return GraphID(x), err
}

func (x GraphID) String() string { return hex.EncodeToString(x[:]) }

// Bytes is the wire form.
func (x GraphID) Bytes() []byte { return x[:] }

// ExecutionAttemptID names one attempt to run one subtask. It is never used twice.
type ExecutionAttemptID struct {
	Graph   GraphID
	Vertex  VertexID
	Subtask int
	Attempt int
}

// String is Flink's form: graph_vertex_subtask_attempt.
func (a ExecutionAttemptID) String() string {
	return fmt.Sprintf("%s_%s_%d_%d", a.Graph, a.Vertex, a.Subtask, a.Attempt)
}

// ParseExecutionAttemptID reads what String wrote.
func ParseExecutionAttemptID(s string) (ExecutionAttemptID, error) {
	bad := func() (ExecutionAttemptID, error) {
		return ExecutionAttemptID{}, fmt.Errorf("cannot parse execution attempt id from %q: want graph_vertex_subtask_attempt", clip(s))
	}
	parts := strings.Split(s, "_")
	if len(parts) != 4 {
		return bad()
	}
	g, err1 := parseID("GraphID", parts[0])
	v, err2 := parseID("JobVertexID", parts[1])
	subtask, err3 := strconv.Atoi(parts[2])
	attempt, err4 := strconv.Atoi(parts[3])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || subtask < 0 || attempt < 0 {
		return bad()
	}
	return ExecutionAttemptID{GraphID(g), VertexID(v), subtask, attempt}, nil
}

// MarshalText makes the id one string in JSON.
func (a ExecutionAttemptID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (a *ExecutionAttemptID) UnmarshalText(b []byte) (err error) {
	*a, err = ParseExecutionAttemptID(string(b))
	return err
}
