package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// bars are how many times Flink's events per CPU second, and per second, a query should reach on one TaskManager.
// Over TCP two thirds of it are asked for.
var bars = map[string]float64{
	"q3": 1.1, "q5": 7, "q5panes": 7, "q7": 1.8, "q8": 1.1, "q11": 4, "q18": 6, "q20": 2.5,
}

// memoryBar is how many times our peak of resident memory Flink's should be, in every query.
const memoryBar = 8

func barOf(job, setup string) (bar float64, ok bool) {
	bar, ok = bars[job]
	if n, _ := (bcase{setup: setup}).taskManagers(); n > 1 {
		bar = bar * 2 / 3
	}
	return bar, ok
}

// compare prints, for each case that both engines ran, the ratios of their medians beside the bars.
func compare(w io.Writer, all []line) {
	order, byCase := grouped(all)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer func() { _ = tw.Flush() }()
	header := false
	for _, k := range order {
		ours, peer := byCase[k][engine], byCase[k][flink]
		bar, ok := barOf(k.job, k.setup)
		if len(ours) == 0 || len(peer) == 0 || !ok {
			continue
		}
		if !header {
			header = true
			_, _ = fmt.Fprintln(tw, "\njob\tsetup\tp\tevents/s\tevents/cpu-s\tbar\tRSS\tbar")
		}
		ratio := func(f func(line) float64) float64 { return median(ours, f) / median(peer, f) }
		wall := ratio(func(l line) float64 { return l.EventsPerS })
		cpu := ratio(func(l line) float64 { return l.Events / l.CPU })
		memory := 1 / ratio(line.rss)
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\t%.1f\t%s\t%d\n", k.job, k.setup, k.p, verdict(wall, bar), verdict(cpu, bar), bar, verdict(memory, memoryBar), memoryBar)
	}
}

// verdict is a ratio, marked if it misses its bar.
func verdict(ratio, bar float64) string {
	if ratio < bar {
		return fmt.Sprintf("%.2fx MISSED", ratio)
	}
	return fmt.Sprintf("%.2fx", ratio)
}

// caseKey is what runs must have in common to be compared.
type caseKey struct {
	job, setup string
	p          int
	events     float64
}

// grouped returns the runs by case and engine, and the cases in the order in which they first ran.
func grouped(all []line) (order []caseKey, byCase map[caseKey]map[string][]line) {
	byCase = map[caseKey]map[string][]line{}
	for _, l := range all {
		k := caseKey{l.Job, l.Setup, l.Parallelism, l.Events}
		if byCase[k] == nil {
			byCase[k] = map[string][]line{}
			order = append(order, k)
		}
		byCase[k][l.Engine] = append(byCase[k][l.Engine], l)
	}
	return order, byCase
}
