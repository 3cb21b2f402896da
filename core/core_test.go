package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Every key group belongs to exactly one subtask, and both directions of the assignment agree.
func TestKeyGroupsAreDividedWithoutRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 1024).Draw(t, "max parallelism")
		p := rapid.IntRange(1, most).Draw(t, "parallelism")
		next := 0
		for subtask := range p {
			r := KeyGroupsOf(subtask, most, p)
			if r.From != next || r.To <= r.From {
				t.Fatalf("subtask %d of %d owns %v, want it to begin at %d and not to be empty", subtask, p, r, next)
			}
			for g := r.From; g < r.To; g++ {
				if got := SubtaskOfKeyGroup(g, most, p); got != subtask {
					t.Fatalf("key group %d belongs to %d, and to the range of %d", g, got, subtask)
				}
			}
			next = r.To
		}
		if next != most {
			t.Fatalf("%d of %d key groups are owned", next, most)
		}
		if g := KeyGroup(rapid.Uint64().Draw(t, "hash"), most); g < 0 || g >= most {
			t.Fatalf("key group %d of %d", g, most)
		}
	})
}

func TestIDsReadWhatTheyWrote(t *testing.T) {
	a := ExecutionAttemptID{NewGraphID(), HashVertexID("a", "bc"), 3, 1}
	if got, err := ParseExecutionAttemptID(a.String()); err != nil || got != a {
		t.Errorf("%v, %v", got, err)
	}
	id := NewJobID()
	b, err := json.Marshal(map[string]JobID{"id": id})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]JobID
	if err := json.Unmarshal(b, &back); err != nil || back["id"] != id {
		t.Errorf("%s: %v, %v", b, back, err)
	}
	if HashVertexID("a", "bc") == HashVertexID("ab", "c") {
		t.Error("parts of an id run into each other")
	}
	for _, bad := range []string{"", "abc", id.String() + "0", "zz" + id.String()[2:]} {
		if _, err := ParseJobID(bad); err == nil { // B-08
			t.Errorf("%q is taken for a job id", bad)
		}
	}
}

func TestStatesHaveTheirNames(t *testing.T) {
	for _, s := range JobStatuses() {
		if got, err := ParseJobStatus(s.String()); err != nil || got != s {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	for _, s := range ExecutionStates() {
		if got, err := ParseExecutionState(s.String()); err != nil || got != s {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	if JobSuspended.Terminal() { // L-5
		t.Error("a suspended job is not over")
	}
}

func TestKindSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("outside: %w", E("cancel job", Conflict, "7", errors.New("it has ended")))
	if KindOf(err) != Conflict || err.Error() != "outside: cancel job 7: it has ended" {
		t.Errorf("%v: %v", KindOf(err), err)
	}
	if KindOf(errors.New("plain")) != Internal {
		t.Error("an error without a kind is internal")
	}
}
