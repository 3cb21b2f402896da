package keyedtest

import (
	"fmt"
	"testing"
)

// eachVisitsEveryKeyOnce also while the visits change and remove what they see.
func (s suite) eachVisitsEveryKeyOnce(t *testing.T) {
	st := newStates(t, s.backend(t))
	keys := ownKeys(t, 1000, func(i int) string { return fmt.Sprint("key", i) })
	for i, k := range keys {
		st.enter(k)
		n := int64(i)
		if i%2 == 0 {
			st.plain.Set(&n)
		}
		for j := range int64(i % 4) {
			st.list.Append(&row{j, "note"})
		}
	}
	seen := map[string]int{}
	visit := func(state string, f func()) {
		t.Helper()
		clear(seen)
		if err := st.rows.Each(state, func() bool {
			seen[*st.rows.Key()]++
			f()
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(has func(i int) bool) {
		t.Helper()
		for i, k := range keys {
			if n := seen[k]; n > 1 || (n == 1) != has(i) {
				t.Fatalf("key %d was visited %d times", i, n)
			}
		}
	}
	visit("plain", func() {
		if n := *st.plain.Get(); n%3 == 0 {
			st.plain.Clear()
			st.list.Clear()
		} else {
			n += 6000
			st.plain.Set(&n)
		}
	})
	want(func(i int) bool { return i%2 == 0 })
	visit("plain", func() {
		if n := *st.plain.Get(); n < 6000 || n >= 7000 {
			t.Fatalf("the value is %d after the visit", n)
		}
	})
	want(func(i int) bool { return i%2 == 0 && i%3 != 0 })
	visit("list", func() { st.list.Clear() })
	want(func(i int) bool { return i%4 != 0 && (i%2 != 0 || i%3 != 0) })
	visit("list", func() {})
	want(func(int) bool { return false })

	calls := 0
	if err := st.rows.Each("plain", func() bool { calls++; return calls < 7 }); err != nil || calls != 7 {
		t.Fatalf("%d calls after the seventh said stop, error %v", calls, err)
	}
	if st.rows.HasKey() {
		t.Fatal("there is a current key afterwards")
	}
	if err := st.rows.Each("nowhere", func() bool { return true }); err == nil {
		t.Fatal("a state that nobody registered has keys")
	}
}
