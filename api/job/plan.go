package job

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/flink-go/flink-go/graph"
)

// planFD is where a process in role plan writes its JobGraph: standard output belongs to the program.
const planFD = 3

// writePlan writes g for whoever started this process, and returns its exit code.
func writePlan(g *graph.JobGraph) int {
	out := os.NewFile(planFD, "plan")
	if err := encodePlan(out, g); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "cannot write the plan to file descriptor %d: %v\n", planFD, err)
		return ExitFailure
	}
	return ExitOK
}

func encodePlan(w io.WriteCloser, g *graph.JobGraph) error {
	if err := json.NewEncoder(w).Encode(g); err != nil {
		return err
	}
	return w.Close()
}
