package main

import (
	"strconv"
	"unsafe"

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
	urlStart = "https://www.nexmark.example/item/"

	x100 = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	d100 = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
)

// field is the pseudo-random number of field f of event n.
func field(n, f uint64) uint64 { return result.Mix(n*16 + f) }

// events is the source of the first n events: subtask i of p makes those whose number leaves rest i, in order.
func events(n uint64) stream.Source[Event] {
	return stream.Source[Event]{Name: "events", Bounded: true, Open: func(ctx *stream.RuntimeContext) (stream.Reader[Event], error) {
		return &generator{ctx: ctx, next: uint64(ctx.SubtaskIndex()), step: uint64(ctx.Parallelism()), end: n}, nil
	}}
}

type generator struct {
	ctx             *stream.RuntimeContext
	next, step, end uint64
	started         bool
	text            text
}

func (g *generator) Next(v *Event) (int64, stream.Status, error) {
	if !g.started {
		g.started = true
		result.Started(g.ctx)
	}
	if g.next >= g.end {
		return 0, stream.End, nil
	}
	ts := g.make(g.next, v)
	g.next += g.step
	return int64(ts), stream.Record, nil
}

func (g *generator) Close() error { return nil }

// make writes event n over v and returns its time.
func (g *generator) make(n uint64, v *Event) (ts uint64) {
	epoch, r := n/50, n%50
	ts = baseTime + n/100
	switch {
	case r == 0:
		*v = Event{Person: g.person(n, epoch, ts)}
	case r < 4:
		*v = Event{Auction: g.auction(n, epoch, r-1, ts)}
	default:
		v.Person, v.Auction = nil, nil
		g.bid(n, epoch, ts, &v.Bid)
	}
	return ts
}

func (g *generator) person(n, epoch, ts uint64) *Person {
	p := &Person{ID: firstID + epoch, City: cities[field(n, 2)%10], State: states[field(n, 3)%6], Time: ts, Extra: x100}
	p.Name = g.text.number("p", p.ID, "")
	p.Email = g.text.number("p", p.ID, "@x.example")
	// A leading 1 keeps the zeros that pad the number.
	p.CreditCard = g.text.number("", 1e16+field(n, 1)%1e16, "")[1:]
	return p
}

func (g *generator) auction(n, epoch, r, ts uint64) *Auction {
	a := &Auction{ID: firstID + epoch*3 + r, Description: d100, InitialBid: 1 + field(n, 1)%1000, Time: ts,
		Expires: ts + 1 + field(n, 3)%20000, Category: 10 + field(n, 4)%5, Extra: x100 + x100}
	a.Item = g.text.number("item", a.ID, "")
	a.Reserve = a.InitialBid + field(n, 2)%1000
	if field(n, 5)%4 != 0 {
		a.Seller = firstID + epoch/100*100
	} else {
		a.Seller = firstID + epoch - recent(field(n, 6), epoch+1)
	}
	return a
}

func (g *generator) bid(n, epoch, ts uint64, b *Bid) {
	last := epoch*3 + 2 // of the auctions so far
	if field(n, 1)%2 != 0 {
		b.Auction = firstID + last/100*100
	} else if last >= 99 {
		b.Auction = firstID + last - field(n, 2)%100
	} else {
		b.Auction = firstID + last - field(n, 2)%(last+1)
	}
	if field(n, 3)%4 != 0 {
		b.Bidder = firstID + epoch/100*100 + 1
	} else {
		b.Bidder = firstID + epoch - recent(field(n, 4), epoch+1)
	}
	b.Price = 100 + field(n, 5)%10_000_000
	b.Channel = channels[field(n, 6)%4]
	b.URL = g.text.number(urlStart, b.Auction, "")
	b.Time = ts
	b.Extra = x100[:32]
}

// recent is h modulo the number of persons, at most the last 1000. A constant divisor is several times as fast.
func recent(h, persons uint64) uint64 {
	if persons >= 1000 {
		return h % 1000
	}
	return h % persons
}

// text makes strings, each new, in chunks: an allocation per chunk, not per string.
type text struct{ chunk []byte }

const chunkSize = 32 << 10

// number returns before, n in decimal and after as one string.
func (t *text) number(before string, n uint64, after string) string {
	const digits = 20
	if cap(t.chunk)-len(t.chunk) < len(before)+digits+len(after) {
		t.chunk = make([]byte, 0, chunkSize)
	}
	from := len(t.chunk)
	t.chunk = append(t.chunk, before...)
	t.chunk = strconv.AppendUint(t.chunk, n, 10)
	t.chunk = append(t.chunk, after...)
	s := t.chunk[from:]
	return unsafe.String(&s[0], len(s)) // never written again
}
