package process

import (
	"path/filepath"
	"testing"
)

// Relative paths in a program's arguments mean in a worker what they meant in the client, where that can be (B-48).
func TestWorkersStartWhereTheClientWas(t *testing.T) {
	own, client := t.TempDir(), t.TempDir()
	for _, c := range []struct{ client, want string }{
		{client, client},
		{"", own},
		{filepath.Join(client, "of another machine"), own},
		{"relative", own},
	} {
		if got := startDir(c.client, own); got != c.want {
			t.Errorf("client in %q: worker starts in %q, want %q", c.client, got, c.want)
		}
	}
}
