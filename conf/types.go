package conf

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is how the values of an option are written.
type Type[T any] struct {
	Name   string // for the reference page
	Want   string // for an error: "expected " + Want
	Parse  func(text string) (T, error)
	Format func(T) string
	prefix bool // a map whose entries may be keys below the option's own
}

// errSyntax means no more than that the text is not what the type wants; its message is never shown.
var errSyntax = errors.New("not of this type")

func text() Type[string] {
	return Type[string]{
		Name: "String", Want: "a text",
		Parse:  func(s string) (string, error) { return s, nil },
		Format: func(s string) string { return s },
	}
}

// Boolean is true or false in any case.
func boolean() Type[bool] {
	return Type[bool]{
		Name: "Boolean", Want: "true or false",
		Parse: func(s string) (bool, error) {
			switch strings.ToLower(s) {
			case "true":
				return true, nil
			case "false":
				return false, nil
			}
			return false, errSyntax
		},
		Format: strconv.FormatBool,
	}
}

// infinite is how the largest integer is written in defaults.
const infinite = math.MaxInt32

func integer(from, to int) Type[int] {
	want := fmt.Sprintf("a whole number from %d to %d", from, to)
	if to == infinite {
		want = fmt.Sprintf("a whole number, at least %d", from)
	}
	return Type[int]{
		Name: "Integer", Want: want,
		Parse: func(s string) (int, error) {
			if to == infinite && s == "infinite" {
				return infinite, nil
			}
			n, err := strconv.Atoi(s)
			if err != nil || n < from || n > to {
				return 0, errSyntax
			}
			return n, nil
		},
		Format: func(n int) string {
			if n == infinite {
				return "infinite"
			}
			return strconv.Itoa(n)
		},
	}
}

func number(from, to float64) Type[float64] {
	want := fmt.Sprintf("a number from %g to %g", from, to)
	if math.IsInf(to, 1) {
		want = fmt.Sprintf("a number, at least %g", from)
	}
	return Type[float64]{
		Name: "Double", Want: want,
		Parse: func(s string) (float64, error) {
			x, err := strconv.ParseFloat(s, 64)
			// The negated form refuses NaN too.
			if err != nil || math.IsInf(x, 0) || !(x >= from && x <= to) {
				return 0, errSyntax
			}
			return x, nil
		},
		Format: func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) },
	}
}

func port() Type[int] {
	t := integer(0, math.MaxUint16)
	t.Want = "a port from 0 to 65535 (0: any free one)"
	return t
}

func ports() Type[Ports] {
	return Type[Ports]{
		Name: "Ports", Want: "a port, a range such as 50100-50200, or a list of both; ports are 0 to 65535 and a range rises",
		Parse:  parsePorts,
		Format: Ports.String,
	}
}

func parsePorts(s string) (Ports, error) {
	var all Ports
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		lo, err := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		if err != nil {
			return nil, errSyntax
		}
		hi := lo
		if isRange {
			if hi, err = strconv.ParseUint(strings.TrimSpace(to), 10, 16); err != nil || hi < lo {
				return nil, errSyntax
			}
		}
		all = append(all, PortRange{int(lo), int(hi)})
	}
	return all, nil
}

func enum(allowed ...string) Type[string] {
	fold := func(s string) string { return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)) }
	return Type[string]{
		Name: "Enum", Want: "one of " + strings.Join(allowed, ", "),
		Parse: func(s string) (string, error) {
			for _, a := range allowed {
				if fold(a) == fold(s) {
					return a, nil
				}
			}
			return "", errSyntax
		},
		Format: func(s string) string { return s },
	}
}

// restartType is the enum of restart strategies with Flink's other words for none.
func restartType() Type[string] {
	t := enum("none", "fixed-delay", "failure-rate", "exponential-delay")
	strict := t.Parse
	t.Parse = func(s string) (string, error) {
		if l := strings.ToLower(s); l == "off" || l == "disable" {
			return "none", nil
		}
		return strict(s)
	}
	return t
}

// stateBackend is the enum of state backends. Flink's rocksdb is what pebble is here.
func stateBackend() Type[string] {
	t := enum("hashmap", "pebble")
	strict := t.Parse
	t.Parse = func(s string) (string, error) {
		if strings.EqualFold(s, "rocksdb") {
			return "pebble", nil
		}
		return strict(s)
	}
	return t
}

// list is what Flink writes a;b;c. A comma separates too where there is no semicolon, because people write that.
func list() Type[[]string] {
	return Type[[]string]{
		Name: "List", Want: "a list a;b;c",
		Parse: func(s string) ([]string, error) {
			sep := ";"
			if !strings.Contains(s, sep) {
				sep = ","
			}
			var all []string
			for part := range strings.SplitSeq(s, sep) {
				if part = strings.TrimSpace(part); part != "" {
					all = append(all, part)
				}
			}
			return all, nil
		},
		Format: func(l []string) string { return strings.Join(l, ";") },
	}
}

func dict() Type[map[string]string] {
	return Type[map[string]string]{
		Name: "Map", Want: "pairs k1:v1,k2:v2",
		Parse: func(s string) (map[string]string, error) {
			m := map[string]string{}
			for part := range strings.SplitSeq(s, ",") {
				if strings.TrimSpace(part) == "" {
					continue
				}
				k, v, ok := strings.Cut(part, ":")
				if k = strings.TrimSpace(k); !ok || k == "" {
					return nil, errSyntax
				}
				if _, twice := m[k]; twice {
					return nil, errSyntax
				}
				m[k] = strings.TrimSpace(v)
			}
			return m, nil
		},
		Format: sortedPairs,
		prefix: true,
	}
}

type unit struct {
	size  int64
	names []string // the first is how the unit is written
}

func durationUnits() []unit {
	return []unit{
		{int64(24 * time.Hour), []string{"d", "day", "days"}},
		{int64(time.Hour), []string{"h", "hour", "hours"}},
		{int64(time.Minute), []string{"min", "m", "minute", "minutes"}},
		{int64(time.Second), []string{"s", "sec", "secs", "second", "seconds"}},
		{int64(time.Millisecond), []string{"ms", "milli", "millis", "millisecond", "milliseconds"}},
		{int64(time.Microsecond), []string{"µs", "us", "micro", "micros", "microsecond", "microseconds"}},
		{1, []string{"ns", "nano", "nanos", "nanosecond", "nanoseconds"}},
	}
}

func sizeUnits() []unit {
	return []unit{
		{1 << 40, []string{"tb", "t", "tib", "tebibytes"}},
		{1 << 30, []string{"gb", "g", "gib", "gibibytes"}},
		{1 << 20, []string{"mb", "m", "mib", "mebibytes"}},
		{1 << 10, []string{"kb", "k", "kib", "kibibytes"}},
		{1, []string{"bytes", "b"}},
	}
}

// quantity reads a whole number with an optional unit; without one it counts in bare.
func quantity(s string, units []unit, bare int64) (int64, error) {
	digits := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(s)
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return 0, errSyntax
	}
	name := strings.ToLower(strings.TrimSpace(s[digits:]))
	size := int64(0)
	if name == "" {
		size = bare
	}
	for _, u := range units {
		if slices.Contains(u.names, name) {
			size = u.size
		}
	}
	if size == 0 || n > math.MaxInt64/size {
		return 0, errSyntax
	}
	return n * size, nil
}

// inUnits writes n in the largest unit that leaves a whole number.
func inUnits(n int64, units []unit, zero string) string {
	for _, u := range units {
		if n != 0 && n%u.size == 0 {
			return fmt.Sprintf("%d %s", n/u.size, u.names[0])
		}
	}
	return zero
}

// duration is a length of time, at least least.
func duration(least time.Duration) Type[time.Duration] {
	want := "a duration with a unit (d, h, min, s, ms, us, ns) such as 500 ms"
	if least > 0 {
		want += ", at least " + formatDuration(least)
	}
	return Type[time.Duration]{
		Name: "Duration", Want: want,
		Parse: func(s string) (time.Duration, error) {
			n, err := quantity(s, durationUnits(), int64(time.Millisecond))
			if err != nil || time.Duration(n) < least {
				return 0, errSyntax
			}
			return time.Duration(n), nil
		},
		Format: formatDuration,
	}
}

func formatDuration(d time.Duration) string { return inUnits(int64(d), durationUnits(), "0 ms") }

// seconds is a length of time that Flink writes as a plain number of seconds; a unit is taken too.
func seconds() Type[time.Duration] {
	t := duration(0)
	t.Want = "a number of seconds, or a duration with a unit"
	t.Parse = func(s string) (time.Duration, error) {
		n, err := quantity(s, durationUnits(), int64(time.Second))
		return time.Duration(n), err
	}
	return t
}

// MemorySize is a number of bytes.
type MemorySize int64

func (m MemorySize) String() string { return inUnits(int64(m), sizeUnits(), "0 bytes") }

// memory is a size, at least least bytes.
func memory(least MemorySize) Type[MemorySize] {
	want := "a size with a unit (b, kb, mb, gb, tb; powers of 1024) such as 64 mb"
	if least > 0 {
		want += ", at least " + least.String()
	}
	return Type[MemorySize]{
		Name: "MemorySize", Want: want,
		Parse: func(s string) (MemorySize, error) {
			n, err := quantity(s, sizeUnits(), 1)
			if err != nil || MemorySize(n) < least {
				return 0, errSyntax
			}
			return MemorySize(n), nil
		},
		Format: MemorySize.String,
	}
}
