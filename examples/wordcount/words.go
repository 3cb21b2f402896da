package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/flink-go/flink-go/api/job"
	"github.com/flink-go/flink-go/api/stream"
	"github.com/flink-go/flink-go/examples/internal/result"
)

// Names of the accumulators besides those of package result.
const (
	textBytes = "bytes" // of the text, with line ends
	wordsRead = "words"
	topList   = "top" // of each subtask
)

// splitter cuts lines into words at white space.
type splitter struct {
	bytes, words *stream.LongCounter
}

var _ stream.Opener = (*splitter)(nil)

func (s *splitter) Open(ctx *stream.RuntimeContext) error {
	s.bytes, s.words = ctx.LongCounter(textBytes), ctx.LongCounter(wordsRead)
	return nil
}

func (s *splitter) Process(ctx *stream.Context[stream.NoKey, string], line string) error {
	if s.bytes.Value() == 0 {
		result.Started(ctx.RuntimeContext)
	}
	s.bytes.Add(int64(len(line) + 1))
	words, from := int64(0), 0
	for i := range len(line) {
		if c := line[i]; c == ' ' || c-'\t' < 5 { // \t \n \v \f \r
			if i > from {
				words++
				ctx.Emit(line[from:i])
			}
			from = i + 1
		}
	}
	if from < len(line) {
		words++
		ctx.Emit(line[from:])
	}
	s.words.Add(words)
	return nil
}

// word is a word with its count, as it comes back with the job's result.
type word struct {
	Word  string `json:"word"`
	Count int64  `json:"count"`
}

// byCount orders the most frequent first, and those of one count by the alphabet.
func byCount(a, b word) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Word, b.Word))
}

// topWords is a sink that checks all counts and keeps the n best of its subtask.
func topWords(n int) stream.Sink[stream.Pair[string, int64]] {
	check := result.Check(func(p *stream.Pair[string, int64]) uint64 {
		return result.Row2(result.FNV(p.Key), uint64(p.Value))
	})
	return func(ctx *stream.RuntimeContext) (stream.Writer[stream.Pair[string, int64]], error) {
		w, err := check(ctx)
		return &topWriter{Writer: w, list: ctx.List(topList), n: n}, err
	}
}

type topWriter struct {
	stream.Writer[stream.Pair[string, int64]]
	list *stream.List
	n    int
	best []word // in order, at most n
}

func (w *topWriter) Write(p *stream.Pair[string, int64]) error {
	if len(w.best) < w.n || w.n > 0 && p.Value >= w.best[w.n-1].Count {
		x := word{p.Key, p.Value}
		i, _ := slices.BinarySearchFunc(w.best, x, byCount)
		w.best = slices.Insert(w.best, i, x)
		w.best = w.best[:min(len(w.best), w.n)]
	}
	return w.Writer.Write(p)
}

// Finish hands the best words over.
func (w *topWriter) Finish() error {
	for _, x := range w.best {
		if err := w.list.Add(x); err != nil {
			return err
		}
	}
	return w.Writer.(stream.Finisher).Finish()
}

// mergeTop returns the n best words of all subtasks, each of which reported its own.
func mergeTop(res *job.Result, n int) ([]word, error) {
	all, err := job.Value[[]word](res.Accumulators, topList)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, byCount)
	return all[:min(len(all), max(n, 0))], nil
}
