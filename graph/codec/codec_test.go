package codec

import (
	"testing"
)

type bid struct {
	Auction, Bidder, Price, At int64
	Channel, URL, Extra        string
}

func sampleBid() bid {
	return bid{1000, 2000, 12345, 1_600_000_000_000, "channel-17", "https://www.example.com/item.htm?query=1&channel_id=17", "abcdefghijkl"}
}

func TestBid(t *testing.T) {
	c, err := For[bid]()
	if err != nil {
		t.Fatal(err)
	}
	in := sampleBid()
	b := c.Append(nil, &in)
	var out bid
	n, err := c.Decode(b, &out)
	if err != nil || n != len(b) || in != out {
		t.Fatal(n, err, out)
	}
	for i := range b {
		if _, err := c.Decode(b[:i], &out); err == nil {
			t.Fatal(i)
		}
	}
}

func BenchmarkBid(b *testing.B) {
	c, _ := For[bid]()
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
