package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// report prints the median of each case.
func report(w io.Writer, all []line) {
	order, byCase := grouped(all)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer func() { _ = tw.Flush() }()
	_, _ = fmt.Fprintln(tw, "job\tsetup\tp\tengine\truns\tfigures")
	for _, k := range order {
		for _, e := range slices.Sorted(maps.Keys(byCase[k])) {
			ls := byCase[k][e]
			_, _ = fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%d\t%s\n", k.job, k.setup, k.p, e, len(ls), figures(ls))
		}
	}
}

// figures are the medians of what the runs of one case measured.
func figures(ls []line) string {
	m := func(f func(line) float64) float64 { return median(ls, f) }
	other := fmt.Sprintf("other %.2f cores", m(func(l line) float64 { return l.OtherCores }))
	switch ls[0].Job {
	case "latency":
		return fmt.Sprintf("p50 %.0f us, p99 %.0f us, p99.9 %.0f us, %.2f us cpu/record, %s", m(func(l line) float64 { return l.Latency.P50 }),
			m(func(l line) float64 { return l.Latency.P99 }), m(func(l line) float64 { return l.Latency.P999 }),
			m(func(l line) float64 { return l.CPU / l.Events * 1e6 }), other)
	case "start":
		return fmt.Sprintf("slots %.0f ms, first result %.0f ms, idle MiB %s", m(func(l line) float64 { return l.SlotsMs }),
			m(func(l line) float64 { return l.FirstMs }), ls[0].IdleRSS)
	case "scale":
		return fmt.Sprintf("all running %.0f ms, canceled %.0f ms, JobManager %.2f s cpu, peak MiB %s", m(func(l line) float64 { return l.RunningMs }),
			m(func(l line) float64 { return l.CancelMs }), m(func(l line) float64 { return l.JMCPU }), ls[0].PeakRSS)
	default:
		perCPU := m(func(l line) float64 { return l.Events / l.CPU / 1e6 })
		return fmt.Sprintf("%.2f M events/s, %.2f M events/cpu-s (%.1f ns), peak %.0f MiB, %s", m(func(l line) float64 { return l.EventsPerS / 1e6 }),
			perCPU, 1000/perCPU, m(line.rss), other)
	}
}

func median(ls []line, f func(line) float64) float64 {
	v := make([]float64, len(ls))
	for i, l := range ls {
		v[i] = f(l)
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
