package collection

import (
	"slices"
	"testing"

	"github.com/flink-go/flink-go/connectors/internal/connectortest"
)

// TestOrder holds S-134: the elements, in order, then the end.
func TestOrder(t *testing.T) {
	items := []string{"to", "be", "or", "not"}
	src := From(items)
	items[0] = "changed"
	for _, want := range [][]string{{"to", "be", "or", "not"}, {"to", "be", "or", "not"}} {
		res, err := connectortest.Read(t, src, 1, 0)
		if err != nil || !slices.Equal(res.Values(), want) {
			t.Error(err, res.Values())
		}
	}
	if res, err := connectortest.Read(t, Of[int](), 1, 0); err != nil || len(res.Values()) != 0 {
		t.Error(err, res.Values())
	}
}
