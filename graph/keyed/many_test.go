package keyed

import (
	"strings"
	"testing"
)

// nothing is a KeyValue without contents.
type nothing struct{ KeyValue }

// TestStatesOnDiskAreCounted: their numbers are two bytes of each key, and must not begin anew.
func TestStatesOnDiskAreCounted(t *testing.T) {
	b := &Backend{disk: nothing{}, states: make([]State, 1<<16-1)}
	if err := b.register(State{Name: "last", Kind: KindStore}); err != nil {
		t.Error(err)
	}
	if err := b.register(State{Name: "one more", Kind: KindStore}); err == nil || !strings.Contains(err.Error(), `state "one more": an operator on disk can have 65536 states`) {
		t.Errorf("error %v", err)
	}
	b.disk = nil
	if err := b.register(State{Name: "one more", Kind: KindStore}); err != nil {
		t.Errorf("on the heap: %v", err)
	}
}
