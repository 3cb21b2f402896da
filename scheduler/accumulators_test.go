package scheduler

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"strings"

	"github.com/flink-go/flink-go/core"
)

// TestAccumulators merges lines "name kind value", each from another subtask.
func TestAccumulators(t *testing.T) {
	datadriven.RunTest(t, "testdata/units/accumulators", func(t *testing.T, d *datadriven.TestData) string {
		var lists [][]core.Accumulator
		for line := range strings.Lines(d.Input) {
			f := strings.SplitN(strings.TrimSpace(line), " ", 3)
			lists = append(lists, []core.Accumulator{{Name: f[0], Kind: f[1], Value: f[2]}})
		}
		var b strings.Builder
		for _, a := range MergeAccumulators(lists...) {
			b.WriteString(a.Name + " " + a.Kind + " " + a.Value + "\n")
		}
		return b.String()
	})
}
