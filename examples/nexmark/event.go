package main

import (
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// Event is one event of the auction site. Bids, which are 92 of 100, are held by value.
type Event struct {
	Bid     Bid // if Person and Auction are nil
	Person  *Person
	Auction *Auction
}

// bid is the bid, nil if the event is something else.
func (e *Event) bid() *Bid {
	if e.Person != nil || e.Auction != nil {
		return nil
	}
	return &e.Bid
}

// Person is someone who registers.
type Person struct {
	ID                                   uint64
	Name, Email, CreditCard, City, State string
	Time                                 uint64
	Extra                                string
}

// Auction is an item that is offered.
type Auction struct {
	ID                                                   uint64
	Item, Description                                    string
	InitialBid, Reserve, Time, Expires, Seller, Category uint64
	Extra                                                string
}

// Bid is an offer for an auction.
type Bid struct {
	Auction, Bidder, Price uint64
	Channel, URL           string
	Time                   uint64 // milliseconds since 1970
	Extra                  string
}

var (
	cities   = [10]string{"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"}
	states   = [6]string{"AZ", "CA", "ID", "OR", "WA", "WY"}
	channels = [4]string{"Google", "Facebook", "Baidu", "Apple"}
)

const (
	baseTime = 1_700_000_000_000
	firstID  = 1000
	x32      = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	x100     = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	d100     = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	x200     = x100 + x100
)

// field is the pseudo-random number of field f of event n.
func field(n, f uint64) uint64 { return result.Mix(n*16 + f) }

// events is the source of the first n events: subtask i of p makes those whose number leaves rest i, in order.
func events(n uint64) stream.Source[Event] {
	return stream.Source[Event]{Name: "events", Bounded: true, Open: func(ctx *stream.RuntimeContext) (stream.Reader[Event], error) {
		g := newGenerator(uint64(ctx.SubtaskIndex()), uint64(ctx.Parallelism()), n)
		g.ctx = ctx
		return g, nil
	}}
}

type generator struct {
	ctx             *stream.RuntimeContext
	next, step, end uint64
	started         bool

	epoch    epoch
	text     text
	url      numbered
	name     numbered
	email    numbered
	item     numbered
	persons  []Person  // room for those to come: an allocation for many
	auctions []Auction // likewise
}

const slab = 32 // persons or auctions that are allocated at once

func newGenerator(first, step, end uint64) *generator {
	g := &generator{next: first, step: step, end: end,
		url: numbered{before: "https://www.nexmark.example/item/"}, item: numbered{before: "item"},
		name: numbered{before: "p"}, email: numbered{before: "p", after: "@x.example"}}
	g.epoch = epochOf(first / perEpoch)
	return g
}

// perEpoch is the number of events of an epoch: one person, three auctions, then bids.
const perEpoch = 50

// epoch is what the events of an epoch have in common.
type epoch struct {
	number  uint64
	time    uint64
	person  uint64 // id of the last person
	auction uint64 // id of the last auction that bids of the epoch may be for
	bidder  uint64 // id of the one who makes three of four bids
	hot     uint64 // id of the auction that every other bid is for
}

func epochOf(number uint64) epoch {
	return epoch{
		number:  number,
		time:    baseTime + number/2,
		person:  firstID + number,
		auction: firstID + number*3 + 2,
		bidder:  firstID + number/100*100 + 1,
		hot:     firstID + (number*3+2)/100*100,
	}
}

func (g *generator) Next(v *Event) (int64, stream.Status, error) {
	if !g.started {
		g.started = true
		result.Started(g.ctx)
	}
	if g.next >= g.end {
		return 0, stream.End, nil
	}
	g.make(g.next, v)
	g.next += g.step
	return int64(g.epoch.time), stream.Record, nil
}

func (g *generator) Close() error { return nil }

// make writes event n over v.
func (g *generator) make(n uint64, v *Event) {
	number, place := n/perEpoch, n%perEpoch
	if number != g.epoch.number {
		g.epoch = epochOf(number)
	}
	switch {
	case place > 3:
		v.Person, v.Auction = nil, nil
		g.bid(n, &v.Bid)
	case place == 0:
		*v = Event{Person: g.person(n)}
	default:
		*v = Event{Auction: g.auction(n, place-1)}
	}
}

func (g *generator) person(n uint64) *Person {
	if len(g.persons) == 0 {
		g.persons = make([]Person, slab)
	}
	p := &g.persons[0]
	g.persons = g.persons[1:]
	id := g.epoch.person
	*p = Person{
		ID:         id,
		Name:       g.text.of(&g.name, id),
		Email:      g.text.of(&g.email, id),
		CreditCard: g.text.padded(field(n, 1) % 1e16),
		City:       cities[field(n, 2)%10],
		State:      states[field(n, 3)%6],
		Time:       g.epoch.time,
		Extra:      x100,
	}
	return p
}

func (g *generator) auction(n, place uint64) *Auction {
	if len(g.auctions) == 0 {
		g.auctions = make([]Auction, slab)
	}
	a := &g.auctions[0]
	g.auctions = g.auctions[1:]
	id := firstID + g.epoch.number*3 + place
	initial := 1 + field(n, 1)%1000
	seller := g.epoch.bidder - 1
	if field(n, 5)%4 == 0 {
		seller = g.epoch.person - recent(field(n, 6), g.epoch.number+1)
	}
	*a = Auction{
		ID:          id,
		Item:        g.text.of(&g.item, id),
		Description: d100,
		InitialBid:  initial,
		Reserve:     initial + field(n, 2)%1000,
		Time:        g.epoch.time,
		Expires:     g.epoch.time + 1 + field(n, 3)%20000,
		Category:    10 + field(n, 4)%5,
		Seller:      seller,
		Extra:       x200,
	}
	return a
}

func (g *generator) bid(n uint64, b *Bid) {
	e := &g.epoch
	back := field(n, 2)
	if auctions := e.auction - firstID + 1; auctions >= 100 {
		back %= 100
	} else {
		back %= auctions
	}
	// A branch on every other bid would be mispredicted as often; that costs more than the number it saves.
	h := field(n, 3)
	b.Auction = choose(field(n, 1), e.hot, e.auction-back)
	b.Bidder = choose(h|h>>1, e.bidder, e.person-recent(field(n, 4), e.number+1))
	b.Price = 100 + field(n, 5)%10_000_000
	b.Channel = channels[field(n, 6)%4]
	b.URL = g.text.of(&g.url, b.Auction)
	b.Time = e.time
	b.Extra = x32
}

// choose returns a if bit 0 is set, else b.
func choose(bit, a, b uint64) uint64 { return b ^ (a^b)&-(bit&1) }

// recent is h modulo the number of persons, at most the last 1000. A constant divisor is several times as fast.
func recent(h, persons uint64) uint64 {
	if persons >= 1000 {
		return h % 1000
	}
	return h % persons
}
