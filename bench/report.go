package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// report prints the median of each case and, where both engines ran, the ratios.
func report(w io.Writer, all []line) {
	type key struct {
		job, setup string
		p          int
		events     float64
	}
	var order []key
	byKey := map[key]map[string][]line{}
	for _, l := range all {
		k := key{l.Job, l.Setup, l.Parallelism, l.Events}
		if byKey[k] == nil {
			byKey[k] = map[string][]line{}
			order = append(order, k)
		}
		byKey[k][l.Engine] = append(byKey[k][l.Engine], l)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer func() { _ = tw.Flush() }()
	_, _ = fmt.Fprintln(tw, "job\tsetup\tp\tengine\truns\tM events/s\tM events/cpu-s\tns cpu/event\tpeak MiB\tother")
	for _, k := range order {
		var engines []string
		for e := range byKey[k] {
			engines = append(engines, e)
		}
		slices.Sort(engines)
		for _, e := range engines {
			ls := byKey[k][e]
			perS, perCPU := median(ls, func(l line) float64 { return l.EventsPerS / 1e6 }), median(ls, func(l line) float64 { return l.Events / l.CPU / 1e6 })
			_, _ = fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%d\t%.2f\t%.2f\t%.0f\t%.0f\t%.2f", k.job, k.setup, k.p, e, len(ls), perS, perCPU, 1000/perCPU,
				median(ls, line.rss), median(ls, func(l line) float64 { return l.OtherCores }))
			if ls[0].Latency != nil {
				_, _ = fmt.Fprintf(tw, "\tp50 %.0f us, p99 %.0f us, p99.9 %.0f us", median(ls, func(l line) float64 { return l.Latency.P50 }),
					median(ls, func(l line) float64 { return l.Latency.P99 }), median(ls, func(l line) float64 { return l.Latency.P999 }))
			}
			if k.job == "start" || k.job == "scale" {
				_, _ = fmt.Fprintf(tw, "\tslots %.0f ms, first %.0f ms, running %.0f ms, cancel %.0f ms, jm cpu %.2f s", median(ls, func(l line) float64 { return l.SlotsMs }),
					median(ls, func(l line) float64 { return l.FirstMs }), median(ls, func(l line) float64 { return l.RunningMs }),
					median(ls, func(l line) float64 { return l.CancelMs }), median(ls, func(l line) float64 { return l.JMCPU }))
			}
			_, _ = fmt.Fprintln(tw)
		}
	}
}

func median(ls []line, f func(line) float64) float64 {
	v := make([]float64, len(ls))
	for i, l := range ls {
		v[i] = f(l)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
