package conf

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"github.com/flink-go/flink-go/core"
)

// Origin says where a value came from.
type Origin struct {
	Place string // "flag -D", "environment FLINKGO_REST_PORT", a file's path, "default"
	Line  int    // in a file, from 1; 0: the whole
	// Under is the older name, or the key that stands in, under which the value was given; "" if it was the key itself.
	Under string
}

func (o Origin) String() string {
	s := o.Place
	if o.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, o.Line)
	}
	if o.Under != "" {
		s += " (as " + o.Under + ")"
	}
	return s
}

// Value is the value of one key as it was given, and where.
type Value struct {
	Key    string
	Text   string
	Origin Origin
}

// Fault is one thing that is wrong with the configuration (B-12 to B-18).
type Fault struct {
	Value        // what was given; Key is "" when the whole source is at fault
	Want  string // what was expected, or what is wrong with the source
}

func (f Fault) Error() string {
	if f.Key == "" {
		return fmt.Sprintf("%s: %s", f.Origin, f.Want)
	}
	return fmt.Sprintf("%s: %s: got %q, expected %s", f.Origin, f.Key, mask(f.Key, f.Text), f.Want)
}

// layer is one source of values; later layers win.
type layer struct {
	values []Value
	// flags are set over everything else; viper keeps them apart.
	override bool
}

// Config is the configuration in force. It does not change.
type Config struct {
	layers   []layer
	values   map[string]Value // what was set, by key
	parsed   map[string]any   // the same, as the option's type
	warnings []string
}

// Default is the configuration in which nobody has set anything.
func Default() *Config {
	c, _ := resolve(nil, nil, nil)
	return c
}

// Load reads the configuration of a process: the file in dir ("" for none; see Dir), the environment as os.Environ
// gives it, and -D flags as "key=value". The error lists every Fault and has kind Invalid.
func Load(dir string, environ, flags []string) (*Config, error) {
	file, warnings, faults := readDir(dir)
	properties, environment, w, f := readEnviron(environ)
	warnings, faults = append(warnings, w...), append(faults, f...)
	given, f := readFlags(flags)
	faults = append(faults, f...)
	return resolve([]layer{{values: file}, {values: properties}, {values: environment}, {values: given, override: true}}, warnings, faults)
}

// With is c with other settings over it, such as those a client gave for one job; origin says whose they are.
func (c *Config) With(settings map[string]string, origin string) (*Config, error) {
	l := layer{override: true}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		l.values = append(l.values, Value{k, settings[k], Origin{Place: origin}})
	}
	return resolve(append(slices.Clone(c.layers), l), nil, nil)
}

// resolve brings the layers together: older names become current ones, every value is checked, the last layer wins.
func resolve(layers []layer, warnings []string, faults []Fault) (*Config, error) {
	t := newTable()
	c := &Config{layers: layers, values: map[string]Value{}, parsed: map[string]any{}, warnings: warnings}
	// Keys hold dots, so viper gets a delimiter that no key can contain. It folds case; no two keys differ by case
	// alone (TestKeysDifferByMoreThanCase), and the Value keeps the key as it is written.
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	for _, l := range layers {
		current, w, f := t.current(l.values)
		c.warnings, faults = append(c.warnings, w...), append(faults, f...)
		if l.override {
			for k, val := range current {
				v.Set(k, val)
			}
			continue
		}
		m := make(map[string]any, len(current))
		for k, val := range current {
			m[k] = val
		}
		if err := v.MergeConfigMap(m); err != nil {
			return nil, core.E("load configuration", core.Internal, "", err)
		}
	}
	for _, k := range v.AllKeys() {
		val, ok := v.Get(k).(Value)
		if !ok {
			continue
		}
		c.values[val.Key] = val
		if d, ok := t.inForce[val.Key]; ok {
			// A value that does not parse is among the faults already.
			if p, err := d.parse(val.Text); err == nil {
				c.parsed[val.Key] = p
			}
		}
	}
	if v, ok := c.values[StateBackendType.Key]; ok && strings.EqualFold(v.Text, "rocksdb") {
		c.warnings = append(c.warnings, fmt.Sprintf("%s: %s: there is no rocksdb here, pebble is used: it keeps state on local disk just so", v.Origin, v.Key))
	}
	if len(faults) == 0 {
		faults = c.contradictions()
	}
	slices.Sort(c.warnings)
	c.warnings = slices.Compact(c.warnings)
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b Fault) int {
			return cmp.Or(cmp.Compare(a.Origin.Place, b.Origin.Place), cmp.Compare(a.Origin.Line, b.Origin.Line), cmp.Compare(a.Key, b.Key))
		})
		errs := make([]error, len(faults))
		for i, f := range faults {
			errs[i] = f
		}
		return nil, core.E("load configuration", core.Invalid, "", errors.Join(errs...))
	}
	return c, nil
}

// Warnings are findings that do not stop a process: unknown keys, keys without effect, shadowed files.
func (c *Config) Warnings() []string { return slices.Clone(c.warnings) }

// Settings is what was set, as given, by key: what another process needs to come to the same configuration.
// Secrets are not masked.
func (c *Config) Settings() map[string]string {
	m := make(map[string]string, len(c.values))
	for k, v := range c.values {
		m[k] = v.Text
	}
	return m
}

// Show lists every option with its value in force, secrets masked, and where it came from, and after them the other
// keys that were set: what `flink-go config` prints and GET /jobmanager/config answers.
func (c *Config) Show() []Value {
	var all []Value
	t := newTable()
	for _, d := range t.inForce {
		all = append(all, c.show(d))
	}
	for k, v := range c.values {
		if _, ok := t.inForce[k]; !ok {
			all = append(all, v)
		}
	}
	for i := range all {
		if all[i].Text != "" && IsSecret(all[i].Key) {
			all[i].Text = Masked
		}
	}
	slices.SortFunc(all, func(a, b Value) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

func (c *Config) show(d definition) Value {
	if v, ok := c.values[d.key()]; ok {
		return v
	}
	for _, k := range d.standIns() {
		if v, ok := c.values[k]; ok {
			v.Key, v.Origin.Under = d.key(), k
			return v
		}
	}
	return Value{d.key(), d.defaultText(), Origin{Place: "default"}}
}

// readFlags takes "key=value"; of two values for one key the last wins, as with every command line.
func readFlags(flags []string) ([]Value, []Fault) {
	at := Origin{Place: "flag -D"}
	var (
		values []Value
		faults []Fault
	)
	for _, f := range flags {
		k, text, ok := strings.Cut(f, "=")
		if k = strings.TrimSpace(k); !ok || k == "" {
			faults = append(faults, Fault{Value{Origin: at}, fmt.Sprintf("got %q, expected key=value", mask(k, f))})
			continue
		}
		values = append(values, Value{k, strings.TrimSpace(text), at})
	}
	return values, faults
}
