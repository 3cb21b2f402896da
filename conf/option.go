package conf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Option is one configuration key and all that is known about it. The options of flink-go are the variables of this
// package; they are descriptors and never change.
type Option[T any] struct {
	Key     string
	Type    Type[T]
	Default T
	Doc     string
	// Older are names that the key had before; a value under one of them is used unless the key itself is set.
	Older []string
	// Else are options whose value stands in while this one is not set, in this order.
	Else []string
	// Optional means that there is no default: Lookup tells whether somebody set the option.
	Optional bool
}

// Get is the value in force: set, or of an option that stands in, or the default.
func (o Option[T]) Get(c *Config) T {
	v, _ := o.Lookup(c)
	return v
}

// Lookup is like Get and also tells whether the value was set rather than the default.
func (o Option[T]) Lookup(c *Config) (T, bool) {
	if v, ok := c.parsed[o.Key].(T); ok {
		return v, true
	}
	for _, k := range o.Else {
		s, ok := c.values[k]
		if !ok {
			continue
		}
		// The other option may be of another type (a port for a range of ports): its text counts.
		if v, err := o.Type.Parse(s.Text); err == nil {
			return v, true
		}
	}
	return o.Default, false
}

// definition is what Load and the reference page need of an Option of any type.
type definition interface {
	key() string
	typeName() string
	defaultText() string
	doc() string
	older() []string
	standIns() []string
	isPrefix() bool
	parse(text string) (any, error)
	expected() string
}

func (o Option[T]) key() string        { return o.Key }
func (o Option[T]) typeName() string   { return o.Type.Name }
func (o Option[T]) doc() string        { return o.Doc }
func (o Option[T]) older() []string    { return o.Older }
func (o Option[T]) standIns() []string { return o.Else }
func (o Option[T]) isPrefix() bool     { return o.Type.prefix }
func (o Option[T]) expected() string   { return o.Type.Want }

func (o Option[T]) defaultText() string {
	if o.Optional {
		return ""
	}
	return o.Type.Format(o.Default)
}

func (o Option[T]) parse(text string) (any, error) { return o.Type.Parse(text) }

// secretParts mark a key whose value is never shown (SEC-18); the first eleven are Flink's.
func secretParts() []string {
	return []string{"password", "secret", "fs.azure.account.key", "apikey", "api-key", "auth-params", "service-key",
		"token", "basic-auth", "jaas.config", "http-headers", "credential", "private", "keytab"}
}

// Masked is what is shown instead of a secret value.
const Masked = "******"

// IsSecret tells whether the value of a key must not be shown.
func IsSecret(key string) bool {
	key = strings.ToLower(key)
	// A path is no secret, and who looks for the reason of a refused token needs to see it.
	if strings.HasSuffix(key, "token-file") {
		return false
	}
	return slices.ContainsFunc(secretParts(), func(part string) bool { return strings.Contains(key, part) })
}

// mask hides the value of a secret key and shortens others for a message.
func mask(key, value string) string {
	if IsSecret(key) {
		return Masked
	}
	if r := []rune(value); len(r) > 80 {
		return string(r[:80]) + "..."
	}
	return value
}

// Ports is a set of ports to try in order: "0", "8081", "50100-50200", "8081,8090-8099".
type Ports []PortRange

// PortRange is the closed range of ports From to To.
type PortRange struct{ From, To int }

// All yields the ports in the order in which they are to be tried.
func (p Ports) All() []int {
	var all []int
	for _, r := range p {
		for port := r.From; port <= r.To; port++ {
			all = append(all, port)
		}
	}
	return all
}

func (p Ports) String() string {
	parts := make([]string, len(p))
	for i, r := range p {
		parts[i] = fmt.Sprint(r.From)
		if r.To != r.From {
			parts[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		}
	}
	return strings.Join(parts, ",")
}

// sortedPairs is the text form of a map: "k1:v1,k2:v2".
func sortedPairs(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+":"+m[k])
	}
	return strings.Join(parts, ",")
}
