package job

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/flink-go/flink-go/api/rest"
	"github.com/flink-go/flink-go/core"
)

// progress shows how far a job is: a line that changes in place on a terminal, else a line whenever something has
// happened, and seldom then.
type progress struct {
	out   *os.File
	live  bool
	shown bool // a live line is on the screen

	last      rest.Progress
	lastState string // what the last plain line said besides numbers
	lastPlain time.Time
	silent    time.Time // since when the JobManager does not answer; zero if it does
}

func newProgress(out *os.File) *progress {
	return &progress{out: out, live: term.IsTerminal(int(out.Fd()))}
}

// first is when the first look is due: a job of a moment shows none.
func (p *progress) first() time.Duration { return 500 * time.Millisecond }

// every is the time between two looks.
func (p *progress) every() time.Duration {
	if p.live {
		return 500 * time.Millisecond
	}
	return 2 * time.Second
}

// plainEvery is the time between two plain lines that differ in numbers only.
const plainEvery = 10 * time.Second

func (p *progress) update(now rest.Progress) {
	line, state := p.line(now)
	failure := failureLine(now.Failure)
	again := failure == failureLine(p.last.Failure)
	p.last, p.silent = now, time.Time{}
	if lives := now.State == core.JobRestarting || now.State == core.JobRunning; lives && failure != "" && !again {
		p.done()
		_, _ = fmt.Fprintf(p.out, "%s failed and restarts: %s\n", now.Name, failure)
	}
	p.print(line, state)
}

// failureLine is the first line of a failure, fit for a terminal whatever user code put into it (SEC-20).
func failureLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// lost says that nothing is known since the last look (P-6).
func (p *progress) lost(cause error) {
	if p.silent.IsZero() {
		p.silent = time.Now()
		return // once is no sign
	}
	p.print(fmt.Sprintf("no answer from the JobManager since %s: %v", p.silent.Format(time.TimeOnly), cause), "no answer")
}

func (p *progress) print(line, state string) {
	if p.live {
		if width, _, err := term.GetSize(int(p.out.Fd())); err == nil && width > 0 && len(line) >= width {
			line = line[:width-1]
		}
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		p.shown = true
		return
	}
	at := time.Now()
	if state != p.lastState || at.Sub(p.lastPlain) >= plainEvery {
		_, _ = fmt.Fprintln(p.out, line)
		p.lastState, p.lastPlain = state, at
	}
}

// line is what there is to say; state is the part of it that is worth a line of its own when it changes.
func (p *progress) line(now rest.Progress) (line, state string) {
	running := now.Tasks[core.ExecutionRunning.String()]
	state = fmt.Sprintf("%s, %d/%d tasks running", now.State, running, now.TasksTotal)
	if now.Restarts > 0 {
		state += fmt.Sprintf(", %d restarts", now.Restarts)
	}
	if now.Waiting != "" {
		state += ", waits for " + now.Waiting
	}
	line = fmt.Sprintf("%s: %s, %s records in", now.Name, state, count(float64(now.RecordsIn)))
	if ms := now.Now - p.last.Now; p.last.Now > 0 && ms > 0 && now.RecordsIn >= p.last.RecordsIn {
		line += fmt.Sprintf(", %s/s", count(float64(now.RecordsIn-p.last.RecordsIn)*1000/float64(ms)))
	}
	return line, state
}

// done takes a live line away. It may be called more than once.
func (p *progress) done() {
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}

// count writes a large number short: 950, 12.3k, 4.56M.
func count(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= unit.size {
			return strconv.FormatFloat(n/unit.size, 'g', 3, 64) + unit.name
		}
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}
