package main

import (
	"maps"
	"slices"
	"time"

	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/api/stream/state"
	"github.com/flink-go/flink-go/api/stream/window"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// queries are the programs by name; each gets the events and ends in a sink. Before a shuffle each projects to what
// it reads.
var queries = map[string]func(events *stream.Stream[Event]){
	"q0":  q0,
	"q1":  q1,
	"q2":  q2,
	"q3":  q3,
	"q5":  q5,
	"q7":  q7,
	"q8":  q8,
	"q11": q11,
	"q18": q18,
	"q20": q20,
}

// read returns the first n events in their event time.
func read(env *stream.Env, n uint64) *stream.Stream[Event] {
	return stream.EventTime(stream.From(env, events(n)).UID("events"), stream.SourceTime[Event]())
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

// q3 finds who offers things of category 10 in certain states: persons joined with their auctions, whichever comes
// first.
func q3(events *stream.Stream[Event]) {
	sellers := stream.FlatMapRef(events, func(e *Event, emit func(seller)) error {
		if p := e.Person; p != nil && (p.State == "OR" || p.State == "ID" || p.State == "CA") {
			emit(seller{p.ID, p.Name, p.City, p.State})
		}
		return nil
	}).Name("sellers")
	offers := stream.FlatMapRef(events, func(e *Event, emit func(offer)) error {
		if a := e.Auction; a != nil && a.Category == 10 {
			emit(offer{a.Seller, a.ID})
		}
		return nil
	}).Name("offers")
	both := stream.Connect(stream.KeyByRef(sellers, (*seller).id), stream.KeyByRef(offers, (*offer).seller))
	locals := stream.CoProcess(both, newLocalItems()).UID("local-items")
	stream.To(locals, result.Check(func(i *localItem) uint64 {
		return result.Row4(result.FNV(i.Name), result.FNV(i.City), result.FNV(i.State), i.Auction)
	}))
}

type seller struct {
	ID                uint64
	Name, City, State string
}

func (s *seller) id() uint64 { return s.ID }

type offer struct{ Seller, Auction uint64 }

func (o *offer) seller() uint64 { return o.Seller }

type localItem struct {
	Name, City, State string
	Auction           uint64
}

// localItems keeps sellers, and the auctions of those that have not come yet.
type localItems struct {
	person  *state.Value[seller]
	waiting *state.List[uint64]
}

func newLocalItems() *localItems {
	return &localItems{state.NewValue[seller]("person"), state.NewList[uint64]("waiting")}
}

func (j *localItems) State() []state.Descriptor { return []state.Descriptor{j.person, j.waiting} }

func (j *localItems) ProcessFirst(ctx *stream.Context[uint64, localItem], s seller) error {
	j.person.Set(ctx, s)
	for auction := range j.waiting.All(ctx) {
		ctx.Emit(localItem{s.Name, s.City, s.State, auction})
	}
	j.waiting.Clear(ctx)
	return nil
}

func (j *localItems) ProcessSecond(ctx *stream.Context[uint64, localItem], o offer) error {
	if s, ok := j.person.Get(ctx); ok {
		ctx.Emit(localItem{s.Name, s.City, s.State, o.Auction})
	} else {
		j.waiting.Add(ctx, o.Auction)
	}
	return nil
}

// count is how many bids there were for an auction in a window.
type count = window.Result[uint64, int64]

// q5 finds the auctions with most bids of the last 10 s, every 2 s.
func q5(events *stream.Stream[Event]) {
	auctions := stream.MapRef(bids(events), func(b *Bid) uint64 { return b.Auction }).Name("auctions")
	counts := window.Counts(stream.KeyBy(auctions, itself), window.Sliding(10*time.Second, 2*time.Second)).UID("bids-of-auctions")
	byWindow := stream.KeyByRef(counts, func(c *count) int64 { return c.Window.End })
	hot := window.AggregateRef(byWindow, window.Tumbling(2*time.Second), highest[count](func(c *count) int64 { return c.Value })).UID("hot-items")
	stream.To(flatten(hot), result.Check(func(c *count) uint64 {
		return result.Row3(c.Key, uint64(c.Value), uint64(c.Window.End))
	}))
}

func itself(id uint64) uint64 { return id }

// top are the records that have the largest value.
type top[T any] struct {
	Value int64
	Of    []T
}

// highest aggregates records to those of the largest value.
func highest[T any](value func(*T) int64) stream.AggregatorRef[T, top[T], []T] {
	return stream.AggregatorRef[T, top[T], []T]{
		Add: func(t *top[T], v *T) {
			x := value(v)
			if len(t.Of) == 0 || x > t.Value {
				t.Value, t.Of = x, append(t.Of[:0], *v)
			} else if x == t.Value {
				t.Of = append(t.Of, *v)
			}
		},
		Merge: func(into, from *top[T]) {
			if len(into.Of) == 0 || from.Value > into.Value {
				into.Value, into.Of = from.Value, append(into.Of[:0], from.Of...)
			} else if from.Value == into.Value {
				into.Of = append(into.Of, from.Of...)
			}
		},
		Result: func(t *top[T]) []T { return t.Of },
	}
}

// flatten returns the records of windows whose results are lists.
func flatten[K comparable, T any](lists *stream.Stream[window.Result[K, []T]]) *stream.Stream[T] {
	return stream.FlatMapRef(lists, func(r *window.Result[K, []T], emit func(T)) error {
		for _, v := range r.Value {
			emit(v)
		}
		return nil
	})
}

// offered is what q7 needs of a bid.
type offered struct{ Auction, Bidder, Price uint64 }

// q7 finds the highest bids of each 10 s: first those of groups of bids in parallel, then those of all groups.
func q7(events *stream.Stream[Event]) {
	prices := stream.MapRef(bids(events), func(b *Bid) offered { return offered{b.Auction, b.Bidder, b.Price} }).Name("prices")
	tens := window.Tumbling(10 * time.Second)
	price := func(o *offered) int64 { return int64(o.Price) }
	groups := stream.KeyByRef(prices, func(o *offered) uint64 { return o.Price % 64 })
	high := flatten(window.AggregateRef(groups, tens, highest(price)).UID("high-bids"))
	all := window.AggregateRef(high, tens, highest(price)).UID("highest-bids")
	type row struct {
		offered
		WindowEnd int64
	}
	rows := stream.FlatMapRef(all, func(r *window.Result[stream.NoKey, []offered], emit func(row)) error {
		for _, o := range r.Value {
			emit(row{o, r.Window.End})
		}
		return nil
	})
	stream.To(rows, result.Check(func(r *row) uint64 {
		return result.Row4(r.Auction, r.Bidder, r.Price, uint64(r.WindowEnd))
	})).Parallelism(1)
}

// seen says what a person did: register, open an auction.
type seen struct {
	Person uint64
	What   uint8
}

const (
	registered = 1
	sold       = 2
)

// q8 finds the persons who register and open an auction within the same 10 s.
func q8(events *stream.Stream[Event]) {
	actions := stream.FlatMapRef(events, func(e *Event, emit func(seen)) error {
		if e.Person != nil {
			emit(seen{e.Person.ID, registered})
		} else if e.Auction != nil {
			emit(seen{e.Auction.Seller, sold})
		}
		return nil
	}).Name("actions")
	both := window.AggregateRef(stream.KeyByRef(actions, func(s *seen) uint64 { return s.Person }), window.Tumbling(10*time.Second),
		stream.AggregatorRef[seen, uint8, uint8]{
			Add:    func(done *uint8, s *seen) { *done |= s.What },
			Merge:  func(into, from *uint8) { *into |= *from },
			Result: func(done *uint8) uint8 { return *done },
		}).UID("new-sellers")
	type newSeller = window.Result[uint64, uint8]
	sellers := stream.FilterRef(both, func(r *newSeller) bool { return r.Value == registered|sold })
	stream.To(sellers, result.Check(func(r *newSeller) uint64 { return result.Row2(r.Key, uint64(r.Window.Start)) }))
}

// q11 counts the bids of each bidder's session: as long as the bidder is never silent for more than 10 s.
func q11(events *stream.Stream[Event]) {
	bidders := stream.MapRef(bids(events), func(b *Bid) uint64 { return b.Bidder }).Name("bidders")
	sessions := window.Counts(stream.KeyBy(bidders, itself), window.Session(10*time.Second)).UID("sessions")
	stream.To(sessions, result.Check(func(c *count) uint64 {
		return result.Row4(c.Key, uint64(c.Value), uint64(c.Window.Start), uint64(c.Window.End))
	}))
}

// q18 finds the last bid of each bidder for each auction, when all have come. What it keeps beside the key is time and
// price.
func q18(events *stream.Stream[Event]) {
	type column struct{ Auction, Bidder, Price, Time uint64 }
	type pair struct{ Bidder, Auction uint64 }
	type last struct{ Time, Price uint64 }
	columns := stream.MapRef(bids(events), func(b *Bid) column { return column{b.Auction, b.Bidder, b.Price, b.Time} }).Name("columns")
	pairs := stream.KeyByRef(columns, func(c *column) pair { return pair{c.Bidder, c.Auction} })
	lasts := stream.AggregateRef(pairs, stream.AggregatorRef[column, last, last]{
		Add: func(l *last, c *column) {
			if c.Time > l.Time || c.Time == l.Time && c.Price > l.Price {
				*l = last{c.Time, c.Price}
			}
		},
		Result: func(l *last) last { return *l },
	}, stream.AtEnd).UID("last-bids")
	type lastBid = stream.Pair[pair, last]
	stream.To(lasts, result.Check(func(b *lastBid) uint64 {
		return result.Row4(b.Key.Auction, b.Key.Bidder, b.Value.Price, b.Value.Time)
	}))
}

// listed is what q20 needs of an auction.
type listed struct{ Auction, Category uint64 }

// q20 joins bids with their auction where that is of category 10.
func q20(events *stream.Stream[Event]) {
	prices := stream.MapRef(bids(events), func(b *Bid) offered { return offered{b.Auction, b.Bidder, b.Price} }).Name("prices")
	categories := stream.FlatMapRef(events, func(e *Event, emit func(listed)) error {
		if a := e.Auction; a != nil {
			emit(listed{a.ID, a.Category})
		}
		return nil
	}).Name("categories")
	both := stream.Connect(
		stream.KeyByRef(prices, func(o *offered) uint64 { return o.Auction }),
		stream.KeyByRef(categories, func(l *listed) uint64 { return l.Auction }))
	expanded := stream.CoProcess(both, newExpandBids()).UID("expand-bids")
	stream.To(expanded, result.Check(func(o *offered) uint64 { return result.Row4(o.Auction, o.Bidder, o.Price, wanted) }))
}

// wanted is the category that q20 looks for.
const wanted = 10

// expandBids keeps the category of each auction, and the bids that came before it.
type expandBids struct {
	category *state.Value[uint64]
	waiting  *state.List[offered]
}

func newExpandBids() *expandBids {
	return &expandBids{state.NewValue[uint64]("category"), state.NewList[offered]("waiting")}
}

func (j *expandBids) State() []state.Descriptor { return []state.Descriptor{j.category, j.waiting} }

func (j *expandBids) ProcessFirst(ctx *stream.Context[uint64, offered], bid offered) error {
	if category, ok := j.category.Get(ctx); !ok {
		j.waiting.Add(ctx, bid)
	} else if category == wanted {
		ctx.Emit(bid)
	}
	return nil
}

func (j *expandBids) ProcessSecond(ctx *stream.Context[uint64, offered], a listed) error {
	j.category.Set(ctx, a.Category)
	if a.Category == wanted {
		for bid := range j.waiting.All(ctx) {
			ctx.Emit(bid)
		}
	}
	j.waiting.Clear(ctx)
	return nil
}
