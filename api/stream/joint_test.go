package stream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/graph/operator"
)

// said records what a joint says.
type said struct{ lines []string }

func (s *said) Watermark(ts int64) {
	if ts == operator.MaxWatermark {
		s.lines = append(s.lines, "wmax")
		return
	}
	s.lines = append(s.lines, fmt.Sprint("w", ts))
}
func (s *said) Idle() { s.lines = append(s.lines, "idle") }
func (s *said) End()  { s.lines = append(s.lines, "end") }

func TestEventTimeOfTwoInputs(t *testing.T) {
	for _, c := range []struct{ name, steps, want string }{
		{"the lesser counts", "a5 b3 b9 a7", "w3 w5 w7"},
		{"an idle one does not", "a5 bidle a9 b7 b8 b10", "w5 w9"},
		{"both idle, whichever first", "b1 a5 bidle aidle", "w1 w5 idle"},
		{"both idle, whichever last", "b1 a5 aidle bidle", "w1 w5 idle"},
		{"a record wakes", "a5 aidle bidle arecord", "w5 idle w5"},
		{"an ended one does not count", "a5 b3 bmax bend a7", "w3 w5 w7"},
		{"nor does it end an idle one", "a5 b3 aidle bmax bend a9 amax aend", "w3 w5 idle w5 w9 wmax end"},
		{"the end of both", "a5 b3 amax aend bmax bend", "w3 wmax end"},
	} {
		out := &said{}
		j := newJoint(out)
		for step := range strings.FieldsSeq(c.steps) {
			s := side{j, int(step[0] - 'a')}
			switch what := step[1:]; what {
			case "idle":
				s.Idle()
			case "record":
				s.heard()
			case "max":
				s.Watermark(operator.MaxWatermark)
			case "end":
				s.End()
			default:
				var ts int64
				if _, err := fmt.Sscan(what, &ts); err != nil {
					t.Fatal(err)
				}
				s.Watermark(ts)
			}
		}
		if got := strings.Join(out.lines, " "); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.steps, got, c.want)
		}
	}
}
