package codec

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/flink-go/flink-go/core"
)

func mustHash[K comparable](t testing.TB) func(*K) uint64 {
	t.Helper()
	h, err := HashFor[K]()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type packed struct {
	A, B int32
	C    int64
}

type padded struct {
	A int8
	B int64
}

type mixed struct {
	User string
	N    int32
	At   [2]float64
}

// TestHashV1 holds the hash: with another one keys would belong to other subtasks than their state.
func TestHashV1(t *testing.T) {
	var b strings.Builder
	text := strings.Repeat("0123456789abcdef", 16)
	for n := range 130 {
		fmt.Fprintf(&b, "string %d: %016x\n", n, String(text[:n]))
	}
	hashes(t, &b, -1, 0, 1, math.MaxInt)
	hashes(t, &b, int32(-1), 7)
	hashes(t, &b, uint8(255))
	hashes(t, &b, true, false)
	hashes(t, &b, 0.0, 1.5, math.Inf(1))
	hashes(t, &b, float32(1.5))
	hashes(t, &b, 1+2i)
	hashes(t, &b, packed{1, 2, 3})
	hashes(t, &b, padded{1, 2})
	hashes(t, &b, mixed{"ann", 1, [2]float64{1, 2}})
	hashes(t, &b, [3]string{"a", "b", "c"})
	hashes(t, &b, [16]byte{1}, [16]byte{2})
	hashes(t, &b, struct{}{})
	compareGolden(t, "hash_v1.golden", b.String())
}

func hashes[K comparable](t *testing.T, b *strings.Builder, keys ...K) {
	h := mustHash[K](t)
	for _, k := range keys {
		fmt.Fprintf(b, "%T %v: %016x\n", k, k, h(&k))
	}
}

func TestEqualKeysHashEqual(t *testing.T) {
	h := mustHash[padded](t)
	a, b := padded{1, 2}, padded{}
	*(*[16]byte)(unsafe.Pointer(&b)) = [16]byte{0, 9, 9, 9, 9, 9, 9, 9} // dirt in the padding
	b.A, b.B = 1, 2
	if a != b || h(&a) != h(&b) {
		t.Error("padding counts")
	}
	f := mustHash[float64](t)
	zero, minus := 0.0, math.Copysign(0, -1)
	if f(&zero) != f(&minus) {
		t.Error("0 and -0 differ")
	}
	type withBlank struct {
		A int64
		_ int64
	}
	blank := mustHash[withBlank](t)
	x, y := withBlank{A: 1}, withBlank{A: 1}
	*(*int64)(unsafe.Add(unsafe.Pointer(&y), 8)) = 5
	if x != y || blank(&x) != blank(&y) {
		t.Error("a blank field counts")
	}
	if small, big := int8(-3), int64(-3); mustHash[int8](t)(&small) != mustHash[int64](t)(&big) {
		t.Error("the size of an integer counts")
	}
	if s := "some text"; mustHash[string](t)(&s) != Bytes([]byte(s)) {
		t.Error("String and Bytes differ")
	}
	text := "joined"
	l, r := [2]string{text[:2], text[2:]}, [2]string{text[:3], text[3:]}
	if pair := mustHash[[2]string](t); pair(&l) == pair(&r) {
		t.Error("the border between strings does not count")
	}
}

// TestNaNKey holds B-46.
func TestNaNKey(t *testing.T) {
	type key struct{ X float32 }
	h := mustHash[key](t)
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, ErrNaNKey) {
			t.Error(err)
		}
	}()
	h(&key{float32(math.NaN())})
}

func TestRefusedKeys(t *testing.T) {
	type owner struct{ Name *string }
	type order struct{ By [2]owner }
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, err := HashFor[order]()
	refused(err, "order.By[].Name: *string is no key: an address means nothing in another process")
	_, err = HashFor[any]()
	refused(err, "interface {}: interface {} is no key: what it holds is not known")
	_, err = HashFor[chan int]()
	refused(err, "chan int: chan int is no key: an address")
	_, err = HashFor[time.Time]()
	refused(err, "Time: time.Time is no key: one instant has many values of it; use UnixNano()")
	_, err = HashFor[struct{ E error }]()
	refused(err, "struct { E error }.E: error is no key")
}

// spread counts how far from even keys fall into n places, as a multiple of the deviation that chance would have.
func spread(n int, place func(i int) int) float64 {
	const perPlace = 200
	counts := make([]int, n)
	for i := range n * perPlace {
		counts[place(i)]++
	}
	chi := 0.0
	for _, c := range counts {
		chi += float64((c-perPlace)*(c-perPlace)) / perPlace
	}
	return (chi - float64(n-1)) / math.Sqrt(2*float64(n-1))
}

// TestKeysSpread holds that keys as programs have them fall evenly into key groups, by the upper half of the hash, and
// into the slots of one key group's table, by the lower half.
func TestKeysSpread(t *testing.T) {
	ofPacked, ofFloat, ofMixed := mustHash[packed](t), mustHash[float64](t), mustHash[mixed](t)
	keys := map[string]func(i int) uint64{
		"counting":     func(i int) uint64 { return Uint64(uint64(i)) },
		"multiples":    func(i int) uint64 { return Uint64(uint64(i) << 20) },
		"negative":     func(i int) uint64 { return Uint64(uint64(-i)) },
		"high bits":    func(i int) uint64 { return Uint64(uint64(i) << 44) },
		"words":        func(i int) uint64 { return String(fmt.Sprint("word", i)) },
		"short":        func(i int) uint64 { return String(string([]byte{byte(i), byte(i >> 8), byte(i >> 16)})) },
		"long":         func(i int) uint64 { return String(strings.Repeat("x", 100) + fmt.Sprint(i)) },
		"common end":   func(i int) uint64 { return String(fmt.Sprint(i) + strings.Repeat("x", 60)) },
		"urls":         func(i int) uint64 { return String(fmt.Sprintf("https://example.com/item/%d/view", i)) },
		"pairs":        func(i int) uint64 { k := packed{int32(i), int32(i), 7}; return ofPacked(&k) },
		"small floats": func(i int) uint64 { f := float64(i); return ofFloat(&f) },
		"mixed": func(i int) uint64 {
			k := mixed{"u", int32(i % 7), [2]float64{float64(i), 1}}
			return ofMixed(&k)
		},
	}
	for name, hash := range keys {
		if s := spread(128, func(i int) int { return core.KeyGroup(hash(i), 128) }); s > 6 {
			t.Errorf("%s: key groups are %.1f deviations from chance", name, s)
		}
		if s := spread(256, func(i int) int { return int(hash(i) & 255) }); s > 6 {
			t.Errorf("%s: slots are %.1f deviations from chance", name, s)
		}
	}
}

// TestAvalanche holds that each bit of a key changes each bit of the hash half of the time.
func TestAvalanche(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{2, 3, 8, 12, 24, 64} {
		const rounds = 600
		worst := 0.0
		for bit := range size * 8 {
			var flips [64]int
			key := make([]byte, size)
			for range rounds {
				for i := range key {
					key[i] = byte(rng.Uint32())
				}
				h := Bytes(key)
				key[bit/8] ^= 1 << (bit % 8)
				for d := h ^ Bytes(key); d != 0; d &= d - 1 {
					flips[bits.TrailingZeros64(d)]++
				}
			}
			for _, n := range flips {
				worst = max(worst, math.Abs(float64(n)/rounds-0.5))
			}
		}
		if worst > 0.12 { // six deviations
			t.Errorf("%d bytes: a bit flips with probability 0.5 +- %.2f", size, worst)
		}
	}
}

func TestStringsDoNotCollide(t *testing.T) {
	seen := make(map[uint64]string)
	for n := range 300 {
		for _, c := range []string{"\x00", "a", "ab\x00"} {
			s := strings.Repeat(c, n)
			if other, ok := seen[String(s)]; ok && other != s {
				t.Fatalf("%q and %q", s, other)
			}
			seen[String(s)] = s
		}
	}
	for i := range 200_000 {
		s := fmt.Sprintf("%06d", i)
		if other, ok := seen[String(s)]; ok && other != s {
			t.Fatalf("%q and %q", s, other)
		}
		seen[String(s)] = s
	}
}

func BenchmarkHash(b *testing.B) {
	for _, n := range []int{5, 12, 32, 100} {
		text := strings.Repeat("x", n)
		h := mustHash[string](b)
		b.Run(fmt.Sprint("string/", n), func(b *testing.B) {
			for b.Loop() {
				h(&text)
			}
		})
	}
	n, p, m := 7, packed{1, 2, 3}, mixed{"user-12345", 1, [2]float64{1, 2}}
	hn, hp, hm := mustHash[int](b), mustHash[packed](b), mustHash[mixed](b)
	b.Run("int", func(b *testing.B) {
		for b.Loop() {
			hn(&n)
		}
	})
	b.Run("packed", func(b *testing.B) {
		for b.Loop() {
			hp(&p)
		}
	})
	b.Run("mixed", func(b *testing.B) {
		for b.Loop() {
			hm(&m)
		}
	})
}
