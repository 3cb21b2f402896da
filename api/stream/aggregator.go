package stream

// Aggregator folds records of type T into an accumulator of type A, of which a result of type R is made. The zero
// value of A is the empty accumulator. A must be a type that can be encoded, because it is kept as state; one without
// pointers costs the garbage collector nothing.
type Aggregator[T, A, R any] struct {
	// Add returns acc with v taken in.
	Add func(acc A, v T) A
	// Merge returns one accumulator of what a and b took in. Windows that share slices or grow together need it.
	Merge func(a, b A) A
	// Result makes the result. It may be asked for several times.
	Result func(acc A) R
}

// AggregatorRef is Aggregator for hot paths: it changes accumulators in place and copies no record. The pointers are
// valid during the call only.
type AggregatorRef[T, A, R any] struct {
	// Add takes v into acc.
	Add func(acc *A, v *T)
	// Merge takes into into what from took in; from stays as it is.
	Merge func(into, from *A)
	// Result makes the result. It may be asked for several times and must not change acc.
	Result func(acc *A) R
}

// Ref returns the aggregator in its other form; what is nil stays nil.
func (a Aggregator[T, A, R]) Ref() AggregatorRef[T, A, R] {
	var r AggregatorRef[T, A, R]
	if a.Add != nil {
		r.Add = func(acc *A, v *T) { *acc = a.Add(*acc, *v) }
	}
	if a.Merge != nil {
		r.Merge = func(into, from *A) { *into = a.Merge(*into, *from) }
	}
	if a.Result != nil {
		r.Result = func(acc *A) R { return a.Result(*acc) }
	}
	return r
}
