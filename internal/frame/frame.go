package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// HeaderSize is the size of the header in front of every payload. All numbers are little endian:
//
//	u32 payload length | u8 kind | u8 flags | u16 marks | u32 gate | u32 channel | u32 records | u32 CRC-32C
//	u64 sequence | u64 epoch | u64 argument
const HeaderSize = 48

const crcAt = 20

// Kind says what a frame, or a message inside a process, is.
type Kind uint8

// The kinds. Data to End travel in order within a channel; the others belong to the connection.
const (
	Data      Kind = 1 + iota // records, with marks between them
	Watermark                 // argument: the watermark; stands for a Data frame with one mark and no records
	Idle                      // the channel holds back no watermark until it says more
	Barrier                   // argument: the checkpoint
	End                       // nothing follows on this channel
	Credit                    // argument: how many more frames of the channel the consumer takes
	Open                      // a consumer asks for its channels; the payload says which
	Close                     // the consumer behind the gate has ended
	Answer                    // the first frame of the side that was dialed: whether it serves, and why not
	numKinds
)

var kindNames = [numKinds]string{"", "data", "watermark", "idle", "barrier", "end", "credit", "open", "close", "answer"}

func (k Kind) String() string {
	if k > 0 && k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Timestamps is the flag of a Data frame whose records each follow their event time (i64).
const Timestamps uint8 = 1

// Header describes one frame.
type Header struct {
	Length  uint32 // of the payload
	Kind    Kind
	Flags   uint8
	Marks   uint16 // watermarks and the like between the records: MarkSize bytes each at the payload's end
	Gate    uint32 // the consumer, by a number that it chose for itself
	Channel uint32 // which of its channels
	Records uint32
	Seq     uint64 // of the frame within its channel, from 0
	Epoch   uint64 // the checkpoint after which the producer sent it
	Arg     uint64
}

// MarkSize is the size of one mark at the end of a Data frame: u32 number of records before it, i64 watermark.
const MarkSize = 12

var table = crc32.MakeTable(crc32.Castagnoli)

// Errors of a stream of frames.
var (
	ErrChecksum = errors.New("wrong checksum")
	ErrTooLong  = errors.New("frame over the size limit")
	ErrKind     = errors.New("unknown kind of frame")
	ErrCut      = errors.New("connection ended inside a frame")
)

// Seal completes a frame in place: buf is HeaderSize bytes of room and then the payload. It sets h.Length.
func Seal(buf []byte, h *Header) {
	h.Length = uint32(len(buf) - HeaderSize)
	put(buf, h)
	binary.LittleEndian.PutUint32(buf[crcAt:], checksum(buf[:HeaderSize], buf[HeaderSize:]))
}

// Append appends a whole frame to dst.
func Append(dst []byte, h Header, payload []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	dst = append(dst, payload...)
	Seal(dst[at:], &h)
	return dst
}

func put(b []byte, h *Header) {
	le := binary.LittleEndian
	_ = b[HeaderSize-1]
	le.PutUint32(b[0:], h.Length)
	b[4], b[5] = byte(h.Kind), h.Flags
	le.PutUint16(b[6:], h.Marks)
	le.PutUint32(b[8:], h.Gate)
	le.PutUint32(b[12:], h.Channel)
	le.PutUint32(b[16:], h.Records)
	le.PutUint32(b[crcAt:], 0)
	le.PutUint64(b[24:], h.Seq)
	le.PutUint64(b[32:], h.Epoch)
	le.PutUint64(b[40:], h.Arg)
}

// Parse reads a header from HeaderSize bytes and refuses what can be refused before the payload is there.
func Parse(b []byte, limit int) (Header, error) {
	le := binary.LittleEndian
	_ = b[HeaderSize-1]
	h := Header{
		Length: le.Uint32(b[0:]), Kind: Kind(b[4]), Flags: b[5], Marks: le.Uint16(b[6:]),
		Gate: le.Uint32(b[8:]), Channel: le.Uint32(b[12:]), Records: le.Uint32(b[16:]),
		Seq: le.Uint64(b[24:]), Epoch: le.Uint64(b[32:]), Arg: le.Uint64(b[40:]),
	}
	switch {
	case h.Kind == 0 || h.Kind >= numKinds:
		return h, fmt.Errorf("%w: %d", ErrKind, uint8(h.Kind))
	case uint64(h.Length) > uint64(limit):
		return h, fmt.Errorf("%w: %s of %d bytes, the limit is %d", ErrTooLong, h.Kind, h.Length, limit)
	}
	return h, nil
}

// Verify compares the checksum in head, the HeaderSize bytes that came before payload, with the one that it should
// have. It changes head.
func Verify(head, payload []byte) error {
	want := binary.LittleEndian.Uint32(head[crcAt:])
	binary.LittleEndian.PutUint32(head[crcAt:], 0)
	if got := checksum(head[:HeaderSize], payload); got != want {
		return fmt.Errorf("%w: frame says %08x, its bytes give %08x", ErrChecksum, want, got)
	}
	return nil
}

func checksum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, table, head), table, payload)
}

// Read reads one frame, its payload into a buffer from alloc, which gets a length within limit. io.EOF means that the
// stream ended between two frames, ErrCut that it ended inside one.
func Read(r io.Reader, head *[HeaderSize]byte, limit int, alloc func(h *Header) []byte) (Header, []byte, error) {
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %d bytes of a header", ErrCut, n)
		}
		return Header{}, nil, err
	}
	h, err := Parse(head[:], limit)
	if err != nil {
		return h, nil, err
	}
	var payload []byte
	if h.Length > 0 {
		payload = alloc(&h)
		if n, err := io.ReadFull(r, payload); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%w: %d of %d bytes of a %s frame", ErrCut, n, h.Length, h.Kind)
			}
			return h, nil, err
		}
	}
	return h, payload, Verify(head[:], payload)
}
