package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"unsafe"
)

// The hash of keys, version 1. It decides which subtask owns a key and where state of a key is found in a snapshot,
// so it never changes: testdata/hash_v1.golden holds it. Its upper 32 bits choose the key group (core.KeyGroup), its
// lower ones the place in a table, so both must look random for keys that do not.
//
// It is not meant to stand up to an adversary who chooses keys to collide: a hash that all processes agree on has no
// secret.

// Odd constants with about as many ones as zeros: the golden ratio, the two of SplitMix64, and the square root of 3.
const (
	mul0 = 0x9e3779b97f4a7c15
	mul1 = 0xbf58476d1ce4e5b9
	mul2 = 0x94d049bb133111eb
	mul3 = 0xbb67ae8584caa73b
)

// ErrNaNKey is the error with which hashing a NaN panics: it equals no key, itself included, so nothing could ever be
// found under it (B-46).
var ErrNaNKey = errors.New("NaN is no key: it does not equal itself, so keep such records out with Filter or give them another key")

// mix64 spreads the bits of x over all of the result; different x have different results.
func mix64(x uint64) uint64 {
	x += mul0
	x = (x ^ x>>30) * mul1
	x = (x ^ x>>27) * mul2
	return x ^ x>>31
}

// fold multiplies to 128 bits and folds them.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// join adds the hash of one more part of a key to that of the parts before it.
func join(h, part uint64) uint64 { return fold(h^mul3, part^mul1) }

// String returns the hash of s as a key.
func String(s string) uint64 {
	return hashBytes(unsafe.Pointer(unsafe.StringData(s)), len(s))
}

// Bytes returns the hash of b, equal to that of a string of the same bytes.
func Bytes(b []byte) uint64 {
	return hashBytes(unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// Uint64 returns the hash of x as a key of any integer type: signed ones are sign-extended.
func Uint64(x uint64) uint64 { return mix64(x) }

func load8(p unsafe.Pointer, off int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, off))[:])
}

func load4(p unsafe.Pointer, off int) uint64 {
	return uint64(binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(p, off))[:]))
}

// hashBytes reads 8 bytes at a time; the last words of a key may overlap those before them, the length tells such
// keys apart.
func hashBytes(p unsafe.Pointer, n int) uint64 {
	var a, b uint64
	h := uint64(mul0)
	switch {
	case n == 0:
	case n < 4:
		a = uint64(*(*byte)(p))<<16 | uint64(*(*byte)(unsafe.Add(p, n>>1)))<<8 | uint64(*(*byte)(unsafe.Add(p, n-1)))
	case n <= 8:
		a, b = load4(p, 0), load4(p, n-4)
	case n <= 16:
		a, b = load8(p, 0), load8(p, n-8)
	default:
		left := n
		if left > 48 {
			h1, h2 := h, h
			for ; left > 48; left -= 48 {
				h = fold(load8(p, 0)^mul1, load8(p, 8)^h)
				h1 = fold(load8(p, 16)^mul2, load8(p, 24)^h1)
				h2 = fold(load8(p, 32)^mul3, load8(p, 40)^h2)
				p = unsafe.Add(p, 48)
			}
			h ^= h1 ^ h2
		}
		for ; left > 16; left -= 16 {
			h = fold(load8(p, 0)^mul1, load8(p, 8)^h)
			p = unsafe.Add(p, 16)
		}
		a, b = load8(p, left-16), load8(p, left-8)
	}
	hi, lo := bits.Mul64(a^mul1, b^h)
	return fold(lo^mul0^uint64(n), hi^mul2)
}

// hashFloat makes -0 the same key as 0, as == does.
func hashFloat(f float64) uint64 {
	if f != f {
		panic(ErrNaNKey)
	}
	if f == 0 {
		f = 0 // and not -0
	}
	return mix64(math.Float64bits(f))
}
