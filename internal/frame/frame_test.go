package frame

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const limit = 1 << 16

func alloc(h *Header) []byte { return make([]byte, h.Length) }

func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			Kind: Kind(rapid.IntRange(1, int(numKinds)-1).Draw(t, "kind")), Flags: rapid.Byte().Draw(t, "flags"),
			Marks: rapid.Uint16().Draw(t, "marks"), Gate: rapid.Uint32().Draw(t, "gate"), Channel: rapid.Uint32().Draw(t, "channel"),
			Records: rapid.Uint32().Draw(t, "records"), Seq: rapid.Uint64().Draw(t, "seq"), Epoch: rapid.Uint64().Draw(t, "epoch"),
			Arg: rapid.Uint64().Draw(t, "arg"),
		}
		payload := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "payload")
		b := Append([]byte("before"), h, payload)[len("before"):]
		h.Length = uint32(len(payload))
		var head [HeaderSize]byte
		got, p, err := Read(bytes.NewReader(b), &head, limit, alloc)
		if err != nil || got != h || !bytes.Equal(p, payload) {
			t.Fatalf("%+v %x %v", got, p, err)
		}
		// One wrong bit is found, wherever it is.
		at := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
		b[at/8] ^= 1 << (at % 8)
		if _, _, err := Read(bytes.NewReader(b), &head, limit, alloc); err == nil {
			t.Fatalf("bit %d is wrong and nobody saw it", at)
		}
	})
}

func TestStreamEndsBetweenFramesOrInside(t *testing.T) {
	b := Append(nil, Header{Kind: Data}, []byte("abc"))
	var head [HeaderSize]byte
	for n := range b {
		_, _, err := Read(bytes.NewReader(b[:n]), &head, limit, alloc)
		if n == 0 && !errors.Is(err, io.EOF) || n > 0 && !errors.Is(err, ErrCut) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

func TestPrefaceErrorsNameWhatCame(t *testing.T) {
	good := AppendPreface(nil, []byte("body"))
	if b, err := ReadPreface(bytes.NewReader(good)); err != nil || string(b) != "body" {
		t.Fatalf("%q %v", b, err)
	}
	newer := bytes.Clone(good)
	newer[8], newer[10] = 4, 9
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1]++
	cases := []struct{ in, want string }{
		{"GET / HTTP/1.1\r\n\r\n", "HTTP client"},
		{"PRI * HTTP/2.0\r\n\r\n", "gRPC client"},
		{"\x16\x03\x01\x00\xa5\x01\x00\x00", "TLS client"},
		{"\x00\x01\x02\x03\x04\x05\x06\x07", "begins with 00 01"},
		{"GE", "begins with 47 45"},
		{"", "EOF"},
		{string(good[:15]), "unexpected EOF"},
		{string(good[:len(good)-1]), "unexpected EOF"},
		{string(newer), "version 4 to 9, this process 1 to 1"},
		{string(flipped), "wrong checksum"},
		{string(good[:12]) + "\xff\xff\xff\x7f\x00\x00\x00\x00", "over the size limit"},
	}
	for _, c := range cases {
		if _, err := ReadPreface(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.in, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(Append(nil, Header{Kind: Data, Records: 1}, []byte("abc")))
	f.Add(AppendPreface(nil, []byte("abc")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var head [HeaderSize]byte
		h, p, err := Read(bytes.NewReader(b), &head, limit, alloc)
		if err == nil && !bytes.HasPrefix(b, Append(nil, h, p)) {
			t.Errorf("%x is not %+v %x", b, h, p)
		}
		_, _ = ReadPreface(bytes.NewReader(b)) // must not panic
	})
}
