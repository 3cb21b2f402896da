package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// runFlink runs one case on a Flink cluster of its own by the peer's script: one warm-up run, one measured.
func runFlink(ctx context.Context, s settings, c bcase) ([]line, error) {
	tms, slots := c.taskManagers()
	cmd := exec.CommandContext(ctx, filepath.Join(s.peer, "bench.sh"), c.job)
	env := map[string]string{"FLINK_HOME": s.flinkHome, "N": strconv.FormatInt(s.events, 10), "P": strconv.Itoa(s.parallelism),
		"TMS": strconv.Itoa(tms), "SLOTS": strconv.Itoa(slots), "WARM": "1", "RUNS": "1", "TEXT": s.text, "QUIET": "20"}
	switch c.job {
	case "latency":
		env["RATE"], env["SECS"], env["TIMEOUT"], env["P"], env["WARM"] = c.rate, strconv.Itoa(s.seconds), c.timeout, "1", "0"
	case "scale":
		env["P"], env["WARM"], env["NETWORK"] = c.scale, "0", "1g"
		env["CONF"] = "taskmanager.memory.segment-size: 4kb\ntaskmanager.network.memory.floating-buffers-per-gate: 1"
	}
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, errs.String())
	}
	return parseLines(&out)
}

func parseLines(out *bytes.Buffer) ([]line, error) {
	var ls []line
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if b := sc.Bytes(); len(b) > 0 && b[0] == '{' {
			var l line
			if err := json.Unmarshal(b, &l); err != nil {
				return nil, fmt.Errorf("read %s: %w", b, err)
			}
			ls = append(ls, l)
		}
	}
	return ls, nil
}
