package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/examples/internal/result"
)

// plainEvent is event n written down as the workload is described, without regard to speed.
func plainEvent(n uint64) Event {
	h := func(f, modulus uint64) uint64 { return result.Mix(n*16+f) % modulus }
	e, r, ts := n/50, n%50, 1_700_000_000_000+n/100
	persons, auctions := e+1, e*3+min(r, 3)
	someone := func(hot, f uint64) uint64 {
		if h(hot, 4) != 0 {
			return 1000 + (persons-1)/100*100
		}
		return 1000 + persons - 1 - h(f, min(persons, 1000))
	}
	switch {
	case r == 0:
		id := 1000 + e
		return Event{Person: &Person{ID: id, Name: fmt.Sprint("p", id), Email: fmt.Sprintf("p%d@x.example", id),
			CreditCard: fmt.Sprintf("%016d", h(1, 1e16)), City: cities[h(2, 10)], State: states[h(3, 6)], Time: ts,
			Extra: strings.Repeat("x", 100)}}
	case r < 4:
		id, initial := 1000+e*3+r-1, 1+h(1, 1000)
		return Event{Auction: &Auction{ID: id, Item: fmt.Sprint("item", id), Description: strings.Repeat("d", 100),
			InitialBid: initial, Reserve: initial + h(2, 1000), Time: ts, Expires: ts + 1 + h(3, 20000),
			Category: 10 + h(4, 5), Seller: someone(5, 6), Extra: strings.Repeat("x", 200)}}
	default:
		auction := 1000 + auctions - 1 - h(2, min(auctions, 100))
		if h(1, 2) != 0 {
			auction = 1000 + (auctions-1)/100*100
		}
		bidder := someone(3, 4)
		if h(3, 4) != 0 {
			bidder++
		}
		return Event{Bid: Bid{Auction: auction, Bidder: bidder, Price: 100 + h(5, 10_000_000), Channel: channels[h(6, 4)],
			URL: fmt.Sprint("https://www.nexmark.example/item/", auction), Time: ts, Extra: strings.Repeat("x", 32)}}
	}
}

func TestEventsAreThoseOfTheWorkload(t *testing.T) {
	for _, start := range []uint64{0, 49_000, 1_000_000, 99_999_000} {
		for _, step := range []uint64{1, 2, 7} {
			g := newGenerator(start, step, 0)
			for n := start; n < start+10_000; n += step {
				var got Event // what is not a bid leaves no rest of one
				g.make(n, &got)
				want := plainEvent(n)
				same := got.Bid == want.Bid && (got.Person == nil) == (want.Person == nil) && (got.Auction == nil) == (want.Auction == nil)
				if same && want.Person != nil {
					same = *got.Person == *want.Person
				}
				if same && want.Auction != nil {
					same = *got.Auction == *want.Auction
				}
				if !same {
					t.Fatalf("event %d is %+v %+v %+v, want %+v %+v %+v", n, got.Bid, got.Person, got.Auction, want.Bid, want.Person, want.Auction)
				}
			}
		}
	}
}

// Strings of events are new: what a consumer keeps does not change when further events are made.
func TestEventsAreNotWrittenOver(t *testing.T) {
	g := newGenerator(0, 1, 0)
	kept := make([]Event, 10_000)
	for n := range kept {
		g.make(uint64(n), &kept[n])
	}
	for n, e := range kept {
		want := plainEvent(uint64(n))
		if e.Bid != want.Bid || e.Person != nil && *e.Person != *want.Person || e.Auction != nil && *e.Auction != *want.Auction {
			t.Fatalf("event %d became %+v %+v %+v", n, e.Bid, e.Person, e.Auction)
		}
	}
}

func BenchmarkGenerator(b *testing.B) {
	g := newGenerator(0, 1, 0)
	var e Event
	n := uint64(0)
	for b.Loop() {
		g.make(n, &e)
		n++
	}
}
