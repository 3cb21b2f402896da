package conf

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// table is the index over all keys.
type table struct {
	inForce map[string]definition
	older   map[string]string   // older name -> key
	known   map[string]knownKey // keys of Flink without effect
	globs   []knownKey          // of them, those with <name> or *
	byEnv   map[string]string   // environment variable -> key
}

type knownKey struct {
	key    string
	typ    string
	silent bool
}

func newTable() *table {
	t := &table{inForce: map[string]definition{}, older: map[string]string{}, known: map[string]knownKey{}, byEnv: map[string]string{}}
	for _, s := range sections() {
		for _, d := range s.options {
			t.inForce[d.key()] = d
			t.byEnv[EnvName(d.key())] = d.key()
			for _, o := range d.older() {
				t.older[o] = d.key()
			}
		}
	}
	for line := range strings.Lines(known) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		k := knownKey{key: f[2], typ: f[1], silent: f[0] == "silent"}
		if strings.ContainsAny(k.key, "<*") {
			t.globs = append(t.globs, k)
			continue
		}
		t.known[k.key] = k
		for _, o := range f[3:] {
			if _, taken := t.older[o]; !taken {
				t.known[o] = k
			}
		}
	}
	return t
}

// findKnown looks key up among Flink's keys without effect.
func (t *table) findKnown(key string) (knownKey, bool) {
	if k, ok := t.known[key]; ok {
		return k, true
	}
	for _, g := range t.globs {
		if matches(g.key, key) {
			return g, true
		}
	}
	return knownKey{}, false
}

func matches(glob, key string) bool {
	gs, ks := strings.Split(glob, "."), strings.Split(key, ".")
	for i, g := range gs {
		switch {
		case g == "*":
			return len(ks) > i
		case i >= len(ks):
			return false
		case !strings.HasPrefix(g, "<") && g != ks[i]:
			return false
		}
	}
	return len(gs) == len(ks)
}

// current brings the values of one layer under their current keys and checks each (B-13, B-14).
func (t *table) current(values []Value) (map[string]Value, []string, []Fault) {
	var (
		warnings []string
		faults   []Fault
		under    = map[string]Value{} // given under an older name
		pairs    = map[string]map[string]string{}
		result   = map[string]Value{}
	)
	for _, v := range values {
		if key, ok := t.older[v.Key]; ok {
			old := v.Key
			v.Key, v.Origin.Under = key, old
			under[key] = v
			continue
		}
		if _, ok := t.inForce[v.Key]; !ok {
			if d, ok := t.prefixOf(v.Key); ok {
				if strings.ContainsAny(v.Text, ",") {
					faults = append(faults, Fault{v, "a value without a comma"})
					continue
				}
				m := pairs[d.key()]
				if m == nil {
					m = map[string]string{}
					pairs[d.key()] = m
				}
				m[strings.TrimPrefix(v.Key, d.key()+".")] = v.Text
				result[d.key()] = Value{d.key(), sortedPairs(m), v.Origin}
				continue
			}
			w, f := t.withoutEffect(v)
			warnings, faults = append(warnings, w...), append(faults, f...)
		}
		result[v.Key] = v
	}
	for key, v := range under {
		if given, ok := result[key]; ok {
			warnings = append(warnings, fmt.Sprintf("%s: %s has no effect: %s is set at %s", v.Origin, v.Origin.Under, key, given.Origin))
			continue
		}
		result[key] = v
	}
	for _, key := range slices.Sorted(maps.Keys(result)) {
		d, ok := t.inForce[key]
		if !ok {
			continue
		}
		if result[key].Text == "" {
			// Empty means unset, as in Flink.
			delete(result, key)
			continue
		}
		if _, err := d.parse(result[key].Text); err != nil {
			faults = append(faults, Fault{result[key], d.expected()})
		}
	}
	return result, warnings, faults
}

// prefixOf finds the map option that key is an entry of: pipeline.global-job-parameters.name.
func (t *table) prefixOf(key string) (definition, bool) {
	for _, d := range t.inForce {
		if d.isPrefix() && strings.HasPrefix(key, d.key()+".") {
			return d, true
		}
	}
	return nil, false
}

// withoutEffect tells what to say about a key that no option reads.
func (t *table) withoutEffect(v Value) (warnings []string, faults []Fault) {
	k, ok := t.findKnown(v.Key)
	switch {
	case !ok:
		w := fmt.Sprintf("%s: unknown key %s", v.Origin, mask("", v.Key))
		if n := t.nearest(v.Key); n != "" {
			w += ", did you mean " + n + "?"
		}
		return []string{w}, nil
	case v.Text == "":
		return nil, nil
	}
	if want, ok := checkKnown(k.typ, v.Text); !ok {
		faults = append(faults, Fault{v, want})
	}
	if !k.silent {
		warnings = append(warnings, fmt.Sprintf("%s: %s has no effect in this version", v.Origin, v.Key))
	}
	return warnings, faults
}

func checkKnown(typ, text string) (want string, ok bool) {
	switch typ {
	case "int":
		return checkAs(integer(-infinite, infinite), text)
	case "bool":
		return checkAs(boolean(), text)
	case "duration":
		return checkAs(duration(0), text)
	case "memory":
		return checkAs(memory(0), text)
	default:
		return "", true
	}
}

func checkAs[T any](t Type[T], text string) (string, bool) {
	_, err := t.Parse(text)
	return t.Want, err == nil
}

// nearest is the key that was probably meant, "" if none is near.
func (t *table) nearest(key string) string {
	best, at := "", max(2, len(key)/5)+1
	if len(key) > 200 {
		return ""
	}
	for _, k := range slices.Concat(slices.Sorted(maps.Keys(t.inForce)), slices.Sorted(maps.Keys(t.known))) {
		if d := distance(strings.ToLower(key), strings.ToLower(k)); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// contradictions checks values against each other (B-16).
func (c *Config) contradictions() []Fault {
	var faults []Fault
	check := func(key string, ok bool, otherKey, want string) {
		if ok {
			return
		}
		t := newTable()
		a, b := c.show(t.inForce[key]), c.show(t.inForce[otherKey])
		faults = append(faults, Fault{a, fmt.Sprintf("%s %s, which is %q (%s)", want, otherKey, b.Text, b.Origin)})
	}
	atMost(c, check, SlotManagerNumberOfSlotsMin, SlotManagerNumberOfSlotsMax)
	atMost(c, check, RestartStrategyExponentialDelayInitialBackoff, RestartStrategyExponentialDelayMaxBackoff)
	atMost(c, check, ClusterRegistrationInitialTimeout, ClusterRegistrationMaxTimeout)
	atMost(c, check, TaskManagerNetworkRequestBackoffInitial, TaskManagerNetworkRequestBackoffMax)
	check(HeartbeatInterval.Key, HeartbeatInterval.Get(c) < HeartbeatTimeout.Get(c), HeartbeatTimeout.Key, "less than")
	if most := PipelineMaxParallelism.Get(c); most > 0 {
		check(ParallelismDefault.Key, ParallelismDefault.Get(c) <= most, PipelineMaxParallelism.Key, "at most")
	}
	if !PipelineObjectReuse.Get(c) {
		v := c.values[PipelineObjectReuse.Key]
		faults = append(faults, Fault{v, "true: operators of a chain always pass records without a copy"})
	}
	return faults
}

func atMost[T cmp.Ordered](c *Config, check func(string, bool, string, string), low, high Option[T]) {
	check(low.Key, low.Get(c) <= high.Get(c), high.Key, "at most")
}
