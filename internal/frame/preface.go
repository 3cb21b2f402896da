package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Version is the version of the frame format that this build speaks; there is one so far.
const Version uint16 = 1

// magic starts every preface: it is no prefix of HTTP, TLS or gRPC.
var magic = [8]byte{'F', 'L', 'I', 'N', 'K', 'G', 'O', 0}

const (
	prefaceSize    = 8 + 2 + 2 + 4 + 4 // magic, lowest and highest version, length of the body, CRC-32C of all
	maxPrefaceBody = 4 << 10
)

// ErrForeign means that the peer does not speak this protocol.
var ErrForeign = errors.New("not a flink-go data connection")

// VersionError means that the two sides have no version in common (B-52).
type VersionError struct{ TheirLow, TheirHigh, OurLow, OurHigh uint16 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("peer speaks data plane version %d to %d, this process %d to %d", e.TheirLow, e.TheirHigh, e.OurLow, e.OurHigh)
}

// AppendPreface appends the preface with body, what the protocol above has to say first.
func AppendPreface(dst, body []byte) []byte {
	at := len(dst)
	dst = append(dst, magic[:]...)
	dst = binary.LittleEndian.AppendUint16(dst, Version)
	dst = binary.LittleEndian.AppendUint16(dst, Version)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	sum := crc32.Update(crc32.Update(0, table, dst[at:]), table, body)
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return append(dst, body...)
}

// ReadPreface reads the peer's preface and returns its body.
func ReadPreface(r io.Reader) ([]byte, error) {
	var b [prefaceSize]byte
	// The magic is read alone, so that a short foreign greeting is named and not waited out.
	if n, err := io.ReadFull(r, b[:len(magic)]); err != nil {
		if n > 0 && !bytes.HasPrefix(magic[:], b[:n]) {
			return nil, foreign(b[:n])
		}
		return nil, fmt.Errorf("read preface: %w", err)
	}
	if [8]byte(b[:8]) != magic {
		return nil, foreign(b[:8])
	}
	if _, err := io.ReadFull(r, b[len(magic):]); err != nil {
		return nil, fmt.Errorf("read preface: %w", err)
	}
	low, high := binary.LittleEndian.Uint16(b[8:]), binary.LittleEndian.Uint16(b[10:])
	if low > Version || high < Version {
		return nil, &VersionError{low, high, Version, Version}
	}
	n := binary.LittleEndian.Uint32(b[12:])
	if n > maxPrefaceBody {
		return nil, fmt.Errorf("preface: %w: %d bytes, the limit is %d", ErrTooLong, n, maxPrefaceBody)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("read preface: %w", err)
	}
	if crc32.Update(crc32.Update(0, table, b[:16]), table, body) != binary.LittleEndian.Uint32(b[16:]) {
		return nil, fmt.Errorf("preface: %w", ErrChecksum)
	}
	return body, nil
}

// foreign names what the first bytes look like (B-50).
func foreign(b []byte) error {
	what := fmt.Sprintf("it begins with % x", b)
	switch {
	case b[0] == 0x16 && len(b) > 1 && b[1] == 3:
		what = "it is a TLS client"
	case bytes.HasPrefix(b, []byte("PRI * ")):
		what = "it is an HTTP/2 or gRPC client"
	case bytes.HasPrefix(b, []byte("GET ")) || bytes.HasPrefix(b, []byte("POST ")) || bytes.HasPrefix(b, []byte("PUT ")) ||
		bytes.HasPrefix(b, []byte("HEAD ")) || bytes.HasPrefix(b, []byte("OPTIONS ")) || bytes.HasPrefix(b, []byte("PATCH ")):
		what = "it is an HTTP client"
	}
	return fmt.Errorf("%w: %s", ErrForeign, what)
}
