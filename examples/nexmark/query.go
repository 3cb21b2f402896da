package main

import (
	"maps"
	"slices"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// queries are the programs by name; each gets the events and ends in a sink.
var queries = map[string]func(events *stream.Stream[Event]){
	"q0": q0,
	"q1": q1,
	"q2": q2,
}

func queryNames() []string { return slices.Sorted(maps.Keys(queries)) }

func bids(events *stream.Stream[Event]) *stream.Stream[Bid] {
	return stream.Pick(events, (*Event).bid).Name("bids")
}

// q0 passes bids through.
func q0(events *stream.Stream[Event]) {
	stream.To(bids(events), result.Check(bidRow))
}

// q1 turns the price of each bid from dollars into euros.
func q1(events *stream.Stream[Event]) {
	euros := stream.Update(bids(events), func(b *Bid) { b.Price = b.Price * 908 / 1000 }).Name("dollars to euros")
	stream.To(euros, result.Check(bidRow))
}

// q2 keeps the bids for certain auctions.
func q2(events *stream.Stream[Event]) {
	some := stream.FilterRef(bids(events), func(b *Bid) bool { return b.Auction%123 == 0 })
	stream.To(some, result.Check(func(b *Bid) uint64 { return result.Row2(b.Auction, b.Price) }))
}

func bidRow(b *Bid) uint64 { return result.Row4(b.Auction, b.Bidder, b.Price, b.Time) }
