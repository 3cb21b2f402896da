package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// bid is the record of DATAPLANE 4.
type bid struct {
	Auction, Bidder, Price, At int64
	Channel, URL, Extra        string
}

func sampleBid() bid {
	return bid{1000, 2000, 12345, 1_600_000_000_000, "channel-17", "https://www.example.com/item.htm?query=1&channel_id=17", "abcdefghijkl"}
}

type level int8

type point struct{ X, Y float32 }

// stamp embeds a type with marshalers: they must not hide Name.
type stamp struct {
	time.Time
	Name string
}

// word is a type with a codec of its own.
type word struct{ text string }

func (w *word) AppendTo(dst []byte) []byte { return append(dst, w.text...) }

func (w *word) DecodeFrom(src []byte) ([]byte, error) {
	if bytes.Contains(src, []byte{0}) {
		return nil, errors.New("a word with a zero")
	}
	w.text = string(src)
	return nil, nil
}

// lazy does not read all that it wrote.
type lazy struct{ n byte }

func (l *lazy) AppendTo(dst []byte) []byte { return append(dst, l.n, 0) }

func (l *lazy) DecodeFrom(src []byte) ([]byte, error) { l.n = src[0]; return src[1:], nil }

// moody cannot be marshaled.
type moody struct{ N int }

func (moody) MarshalBinary() ([]byte, error)  { return nil, errors.New("not today") }
func (*moody) UnmarshalBinary(_ []byte) error { return nil }

type tree struct {
	Value       int
	Left, Right *tree
	Rest        []tree
	ByName      map[string]tree
}

// everything has a field of each supported kind.
type everything struct {
	B    bool
	I    int
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U    uint
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	F32  float32
	F64  float64
	C64  complex64
	C128 complex128
	S    string
	L    level

	Raw     []byte
	Ints    []int32
	Bools   []bool
	Strings []string
	Points  []point
	Nested  [][]string
	Empty   []struct{}
	Array   [3]string
	Plain   [4]uint16
	None    [0]func()

	P      *int64
	PP     **string
	Tree   *tree
	M      map[string]string
	Counts map[string]int64
	ByInt  map[int32][]string
	Set    map[point]struct{}
	Weight map[string]float64

	At    time.Time
	Zone  time.Time
	D     time.Duration
	Stamp stamp
	Word  word
	Words []word
	Proto *wrapperspb.StringValue
	Addr  netip.Addr
	Big   big.Int

	hidden struct {
		a int8
		b string
	}
	_ int32
}

func sampleEverything() everything {
	n, s := int64(-5), "pointed to"
	ps := &s
	e := everything{
		B: true, I: -1, I8: -8, I16: -16, I32: -32, I64: math.MinInt64, U: 1, U8: 8, U16: 16, U32: 32, U64: math.MaxUint64,
		F32: 1.5, F64: math.Inf(-1), C64: 1 + 2i, C128: -1 - 2i, S: "text \xff \x00", L: 3,
		Raw: []byte{1, 2, 3}, Ints: []int32{1, -2}, Bools: []bool{true, false}, Strings: []string{"", "a", strings.Repeat("long", 100)},
		Points: []point{{1, 2}}, Nested: [][]string{nil, {}, {"x"}}, Empty: make([]struct{}, 3),
		Array: [3]string{"p", "", "q"}, Plain: [4]uint16{1, 2, 3, 4},
		P: &n, PP: &ps, Tree: &tree{Value: 1, Left: &tree{Value: 2}, Rest: []tree{{Value: 3}}, ByName: map[string]tree{"k": {Value: 4}}},
		M: map[string]string{"k": "v"}, Counts: map[string]int64{"a": 1}, ByInt: map[int32][]string{7: {"seven"}},
		Set: map[point]struct{}{{3, 4}: {}}, Weight: map[string]float64{"w": 0.5},
		At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Zone: time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", -3*3600-1)),
		D: time.Hour, Stamp: stamp{time.Unix(1, 0).UTC(), "kept"}, Word: word{"own"}, Words: []word{{"a"}, {""}},
		Proto: wrapperspb.String("message"), Addr: netip.MustParseAddr("fe80::1%eth0"),
	}
	e.Big.SetString("-123456789012345678901234567890", 10)
	e.hidden.a, e.hidden.b = 1, "hidden"
	return e
}

func mustFor[T any](t testing.TB) Codec[T] {
	t.Helper()
	c, err := For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares values of which reflect.DeepEqual sees too much: caches, names of time zones.
func same[T any](a, b *T) bool {
	if x, ok := any(a).(*everything); ok {
		y := any(b).(*everything)
		if !proto.Equal(x.Proto, y.Proto) || x.Big.Cmp(&y.Big) != 0 || !x.Zone.Equal(y.Zone) {
			return false
		}
		x2, y2 := *x, *y
		x2.Proto, y2.Proto = nil, nil
		_, a := x2.Zone.Zone()
		_, b := y2.Zone.Zone()
		x2.Zone, y2.Zone = time.Time{}, time.Time{}
		return a == b && reflect.DeepEqual(&x2, &y2)
	}
	return reflect.DeepEqual(a, b)
}

func roundTrip[T any](t *testing.T, values ...T) {
	t.Helper()
	c := mustFor[T](t)
	all := c.AppendAll(nil, values)
	var each []byte
	for i := range values {
		each = c.Append(each, &values[i])
	}
	if !bytes.Equal(all, each) && !strings.Contains(fmt.Sprint(reflect.TypeFor[T]()), "map") {
		t.Errorf("%T: AppendAll and Append differ", values)
	}
	got := make([]T, len(values))
	if n, err := c.DecodeAll(all, got); err != nil || n != len(all) {
		t.Fatalf("%T: %d of %d bytes, %v", values, n, len(all), err)
	}
	rest := each
	for i := range values {
		if !same(&got[i], &values[i]) {
			t.Errorf("DecodeAll: got  %+v\nwant %+v", got[i], values[i])
		}
		// Over what an earlier record left.
		v := got[len(got)-1-i]
		n, err := c.Decode(rest, &v)
		if err != nil || !same(&v, &values[i]) {
			t.Errorf("Decode: got  %+v\nwant %+v (%v)", v, values[i], err)
		}
		rest = rest[n:]
	}
	for i := range len(all) {
		if _, err := c.DecodeAll(all[:i], got); err == nil {
			t.Fatalf("%T cut to %d of %d bytes: no error", values, i, len(all))
		}
	}
}

func TestRoundTrips(t *testing.T) {
	roundTrip(t, sampleEverything(), everything{}, sampleEverything())
	roundTrip(t, sampleBid(), bid{})
	roundTrip(t, 1, 2, 3)
	roundTrip(t, "", "a", strings.Repeat("x", 127), strings.Repeat("x", 128), strings.Repeat("x", 100_000))
	roundTrip(t, true, false)
	roundTrip(t, []byte("abc"), nil, []byte{})
	roundTrip(t, point{1, 2}, point{3, 4})
	roundTrip(t, struct{}{}, struct{}{})
	roundTrip(t, map[string]int{"a": 1}, nil, map[string]int{})
	roundTrip(t, &point{1, 2}, nil)
	roundTrip(t, [2][]string{{"a"}, nil})
	roundTrip(t, word{"w"}, word{})
	roundTrip(t, time.Unix(1, 2).UTC(), time.Time{})
}

// TestTimesKeepInstantAndOffset: not the zone's name, which another machine may not know.
func TestTimesKeepInstantAndOffset(t *testing.T) {
	c := mustFor[time.Time](t)
	for _, in := range []time.Time{
		time.Now(), time.Date(2026, 7, 1, 12, 0, 0, 1, time.FixedZone("CEST", 7200)), time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", 5*3600+45*60)), {},
	} {
		var out time.Time
		if _, err := c.Decode(c.Append(nil, &in), &out); err != nil {
			t.Fatal(err)
		}
		_, want := in.Zone()
		if _, got := out.Zone(); !in.Equal(out) || got != want {
			t.Errorf("got %v, want %v", out, in)
		}
	}
}

// TestRefusedTypes holds that what cannot be encoded is named by its path when the graph is built.
func TestRefusedTypes(t *testing.T) {
	type Line struct {
		N  int
		Ch chan int
	}
	type Order struct{ Lines []Line }
	type Locked struct {
		mu sync.Mutex     //nolint:unused // looked at by reflection
		n  map[string]int //nolint:unused // looked at by reflection
	}
	type Generic[T any] struct{ V map[string]*T }
	check := func(_ any, err error, want string) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	refuse := func(c any, err error) func(want string) { return func(want string) { t.Helper(); check(c, err, want) } }
	order, err := For[Order]()
	check(order, err, "Order.Lines[].Ch: chan int cannot be encoded")
	locked, err := For[Locked]()
	check(locked, err, "Locked.mu: sync.Mutex cannot be encoded: it hides its state (field ")
	fn, err := For[func()]()
	refuse(fn, err)("func(): func() cannot be encoded")
	iface, err := For[struct{ V any }]()
	refuse(iface, err)("struct { V interface {} }.V: interface {} cannot be encoded")
	gen, err := For[Generic[error]]()
	refuse(gen, err)("Generic[error].V[]: error cannot be encoded")
	key, err := For[map[any]int]()
	refuse(key, err)("map[interface {}]int[key]: interface {} cannot be encoded")
	ptr, err := For[struct{ P unsafe.Pointer }]()
	refuse(ptr, err)("struct { P unsafe.Pointer }.P: unsafe.Pointer cannot be encoded")
	up, err := For[[2]uintptr]()
	refuse(up, err)("[2]uintptr[]: uintptr cannot be encoded")
	at, err := For[*atomic.Int64]()
	refuse(at, err)("*atomic.Int64: atomic.Int64 cannot be encoded: it hides its state")
	if Plain[Order]() || !Aliases[Order]() || Fingerprint[Order]() != 0 {
		t.Error("a refused type has properties")
	}
	if _, err := SchemaOf[Order](); err == nil {
		t.Error("a refused type has a schema")
	}
	if _, err := DetachFor[Order](); err == nil {
		t.Error("a refused type can be detached")
	}
}

func TestPlain(t *testing.T) {
	type padded struct {
		A int8
		B int64
	}
	type filled struct {
		A int8
		_ [7]int8
		B int64
		C [2]point
	}
	type withBool struct{ A [8]bool }
	for name, tc := range map[string]struct{ got, want bool }{
		"int": {Plain[int](), true}, "filled": {Plain[filled](), true}, "array": {Plain[[3]int32](), true},
		"padded": {Plain[padded](), false}, "bool": {Plain[withBool](), false}, "string": {Plain[string](), false},
		"empty": {Plain[struct{}](), false}, "duration": {Plain[time.Duration](), true},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %v", name, tc.got)
		}
	}
	roundTrip(t, padded{1, 2}, padded{3, 4})
	roundTrip(t, filled{A: 1, B: 2, C: [2]point{{1, 2}, {3, 4}}})
	roundTrip(t, withBool{[8]bool{true}})
	if in := []int64{1}; !bytes.Equal(mustFor[int64](t).AppendAll(nil, in), binary.LittleEndian.AppendUint64(nil, 1)) {
		t.Error("an int64 is not little endian")
	}
}

// TestDecodedStringsPointIntoTheSource, and so do byte slices, but an append does not run into what follows.
func TestDecodedStringsPointIntoTheSource(t *testing.T) {
	type pair struct {
		B []byte
		S string
	}
	c := mustFor[pair](t)
	in := pair{[]byte("bytes"), "string"}
	src := c.Append(nil, &in)
	var out pair
	if _, err := c.Decode(src, &out); err != nil {
		t.Fatal(err)
	}
	inside := func(p *byte) bool {
		lo := uintptr(unsafe.Pointer(&src[0]))
		at := uintptr(unsafe.Pointer(p))
		return at >= lo && at < lo+uintptr(len(src))
	}
	if !inside(unsafe.StringData(out.S)) || !inside(&out.B[0]) || !Aliases[pair]() {
		t.Error("decoding copied")
	}
	_ = append(out.B, "xxxxxxxx"...)
	if out.S != "string" {
		t.Errorf("an append to the slice changed the string: %q", out.S)
	}
	if Aliases[point]() || Aliases[[]int64]() || Aliases[time.Time]() || !Aliases[tree]() || !Aliases[map[string]int]() {
		t.Error("Aliases is wrong")
	}
}

// TestDecodeKeepsEarlierRecords: slices, maps and pointers that the program kept are not written again.
func TestDecodeKeepsEarlierRecords(t *testing.T) {
	type rec struct {
		Ints []int64
		P    *int64
		M    map[string]int
	}
	c := mustFor[rec](t)
	n := int64(1)
	in := rec{[]int64{1, 1, 1}, &n, map[string]int{"a": 1}}
	var slot rec
	if _, err := c.Decode(c.Append(nil, &in), &slot); err != nil {
		t.Fatal(err)
	}
	kept := slot
	in.Ints[0], n, in.M["a"] = 2, 2, 2
	if _, err := c.Decode(c.Append(nil, &in), &slot); err != nil {
		t.Fatal(err)
	}
	if kept.Ints[0] != 1 || *kept.P != 1 || kept.M["a"] != 1 {
		t.Errorf("%v %v %v", kept.Ints, *kept.P, kept.M)
	}
}

// TestLengthsAreCompared holds L-11: no length makes memory before it is compared with what is left.
func TestLengthsAreCompared(t *testing.T) {
	for _, size := range []uint64{100, 1 << 31, 1 << 40, 1<<63 - 1, math.MaxUint64} {
		src := append(binary.AppendUvarint(nil, size), make([]byte, 50)...)
		var s string
		var b []byte
		var i []int64
		var z [][]string
		var m map[string]int64
		var g map[int32]*tree
		for name, err := range map[string]error{
			"string": decodeErr(t, src, &s), "bytes": decodeErr(t, src, &b), "ints": decodeErr(t, src, &i),
			"slices": decodeErr(t, src, &z), "map": decodeErr(t, src, &m), "reflected map": decodeErr(t, src, &g),
		} {
			if !errors.Is(err, ErrShort) {
				t.Errorf("%s of %d: %v", name, size, err)
			}
		}
		var e []struct{}
		if err := decodeErr(t, src, &e); err != nil && size < 1<<62 {
			t.Errorf("elements without memory: %v", err)
		}
		var one map[struct{}]struct{}
		if err := decodeErr(t, src, &one); err == nil {
			t.Error("a set of nothing with many elements")
		}
	}
}

func decodeErr[T any](t *testing.T, src []byte, v *T) error {
	t.Helper()
	_, err := mustFor[T](t).Decode(src, v)
	return err
}

// TestForgedBytes holds SEC-13: bytes that no encoder makes are errors, not values.
func TestForgedBytes(t *testing.T) {
	for name, err := range map[string]error{
		"bool":        decodeErr(t, []byte{2}, new(bool)),
		"pointer":     decodeErr(t, append([]byte{7}, make([]byte, 8)...), new(*int)),
		"nanoseconds": decodeErr(t, append(make([]byte, 8), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), new(time.Time)),
		"own codec":   decodeErr(t, []byte{1, 0, 0, 0, 0}, new(word)),
		"rest left":   decodeErr(t, []byte{2, 0, 0, 0, 5, 0}, new(lazy)),
		"protobuf":    decodeErr(t, []byte{1, 1, 0, 0, 0, 0xff}, new(*wrapperspb.StringValue)),
		"uvarint":     decodeErr(t, bytes.Repeat([]byte{0xff}, 20), new(string)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func recovered(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

// TestCannotEncode holds B-47: a value that cannot be encoded fails its attempt with a reason.
func TestCannotEncode(t *testing.T) {
	circle := &tree{}
	circle.Left = circle
	if got := recovered(func() { mustFor[*tree](t).Append(nil, &circle) }); !strings.Contains(got, "nested deeper than 10000 levels; does it point to itself?") {
		t.Error(got)
	}
	if got := recovered(func() { mustFor[moody](t).Append(nil, &moody{}) }); !strings.Contains(got, "encode: not today") {
		t.Error(got)
	}
}

func TestDepthIsBoundedOnDecode(t *testing.T) {
	type list struct{ Next *list }
	src := bytes.Repeat([]byte{1}, 1_000_000)
	if err := decodeErr(t, src, new(list)); !errors.Is(err, ErrDeep) {
		t.Error(err)
	}
	deep := new(list)
	for range 9000 {
		deep = &list{deep}
	}
	roundTrip1(t, *deep)
}

func roundTrip1[T any](t *testing.T, in T) {
	t.Helper()
	c := mustFor[T](t)
	var out T
	if _, err := c.Decode(c.Append(nil, &in), &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Error(err)
	}
}

// golden values have no map of more than one entry, so that their bytes are always the same.
func golden(t *testing.T) string {
	var b strings.Builder
	add := func(name string, bytes []byte, fingerprint uint64, schema *Schema, err error) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s fingerprint %016x\nschema %s\n%s\n", name, fingerprint, text, hex.Dump(bytes))
	}
	e, d := sampleEverything(), sampleBid()
	s, err := SchemaOf[everything]()
	add("everything", mustFor[everything](t).Append(nil, &e), Fingerprint[everything](), s, err)
	s, err = SchemaOf[bid]()
	add("bid", mustFor[bid](t).Append(nil, &d), Fingerprint[bid](), s, err)
	s, err = SchemaOf[tree]()
	add("tree", mustFor[tree](t).Append(nil, e.Tree), Fingerprint[tree](), s, err)
	return b.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written now: frames and state of version %d would be misread\n%s", path, FormatVersion, got)
	}
}

// TestFormatV1 holds the byte format.
func TestFormatV1(t *testing.T) { compareGolden(t, "format_v1.golden", golden(t)) }

func TestFingerprint(t *testing.T) {
	type a struct {
		N int64
		S string
	}
	type b struct {
		N int64
		S string
	}
	type renamed struct {
		M int64
		S string
	}
	type swapped struct {
		S string
		N int64
	}
	type wider struct {
		N int64
		S []byte
	}
	if Fingerprint[a]() != Fingerprint[b]() {
		t.Error("the name of a struct counts")
	}
	seen := map[uint64]string{}
	for name, f := range map[string]uint64{"a": Fingerprint[a](), "renamed": Fingerprint[renamed](), "swapped": Fingerprint[swapped](),
		"wider": Fingerprint[wider](), "word": Fingerprint[word](), "int32": Fingerprint[int32](), "uint32": Fingerprint[uint32](),
		"array": Fingerprint[[2]int32](), "longer": Fingerprint[[3]int32](), "tree": Fingerprint[tree](), "pointer": Fingerprint[*tree]()} {
		if other, ok := seen[f]; ok || f == 0 {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[f] = name
	}
}

func TestDetach(t *testing.T) {
	type shallow struct {
		S string
		B []byte
		A [2]string
		N int
	}
	frame := []byte(strings.Repeat("frame", 10))
	text := unsafe.String(&frame[0], len(frame))
	detach, err := DetachFor[shallow]()
	if err != nil {
		t.Fatal(err)
	}
	v := shallow{text[:5], frame[5:10], [2]string{text[10:15], text[15:20]}, 1}
	detach(&v)
	deep, err := DetachFor[map[string][]string]()
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]string{text[:5]: {text[5:10]}}
	deep(&m)
	clear(frame)
	if v.S != "frame" || string(v.B) != "frame" || v.A != [2]string{"frame", "frame"} || m["frame"][0] != "frame" {
		t.Errorf("%v %v", v, m)
	}
	if d, err := DetachFor[point](); d != nil || err != nil {
		t.Error("a type without strings is detached")
	}
}

func TestCodecsDoNotAllocate(t *testing.T) {
	c := mustFor[bid](t)
	in, out := new(bid), new(bid)
	*in = sampleBid()
	buf := c.Append(nil, in)
	if n := testing.AllocsPerRun(1000, func() { buf = c.Append(buf[:0], in) }); n != 0 {
		t.Errorf("%v allocations to encode", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := c.Decode(buf, out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations to decode", n)
	}
}

// FuzzDecode holds that no bytes make a decoder panic, and that what it accepts encodes and decodes again.
func FuzzDecode(f *testing.F) {
	e := sampleEverything()
	c, err := For[everything]()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Append(nil, &e))
	f.Add(c.Append(nil, &everything{}))
	f.Add(bytes.Repeat([]byte{1}, 2000))
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		var v, again everything
		n, err := c.Decode(src, &v)
		if !bytes.Equal(src, before) {
			t.Fatal("decoding changed the source")
		}
		if err != nil {
			return
		}
		if n > len(src) {
			t.Fatal("read behind the end")
		}
		b := c.Append(nil, &v)
		if n, err := c.Decode(b, &again); err != nil || n != len(b) {
			t.Fatalf("its own bytes: %d of %d, %v", n, len(b), err)
		}
	})
}

// FuzzTree is FuzzDecode for a recursive type.
func FuzzTree(f *testing.F) {
	c, err := For[tree]()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Append(nil, sampleEverything().Tree))
	f.Fuzz(func(t *testing.T, src []byte) {
		var v, again tree
		if _, err := c.Decode(src, &v); err != nil {
			return
		}
		b := c.Append(nil, &v)
		if n, err := c.Decode(b, &again); err != nil || n != len(b) || !reflect.DeepEqual(v, again) {
			t.Fatalf("its own bytes: %d of %d, %v", n, len(b), err)
		}
	})
}

func BenchmarkBid(b *testing.B) {
	c := mustFor[bid](b)
	in := sampleBid()
	buf := c.Append(nil, &in)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = c.Append(buf[:0], &in)
		}
	})
	var out bid
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Decode(buf, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkString(b *testing.B) {
	c := mustFor[string](b)
	in := "times"
	buf := c.Append(nil, &in)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			buf = c.Append(buf[:0], &in)
		}
	})
	var out string
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Decode(buf, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWordCount(b *testing.B) {
	type count struct {
		Word string
		N    int64
	}
	c := mustFor[count](b)
	in := count{"times", 1}
	buf := c.Append(nil, &in)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			buf = c.Append(buf[:0], &in)
		}
	})
	var out count
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Decode(buf, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
}
