package stream_test

import (
	"strings"
	"testing"

	"github.com/flink-go/flink-go/api/stream"
)

func TestStateBackend(t *testing.T) {
	for _, c := range []struct {
		settings map[string]string
		program  stream.StateBackend
		want     string
	}{
		{nil, "", ""},
		{map[string]string{"state.backend.type": "pebble"}, "", "pebble"},
		{map[string]string{"state.backend": "rocksdb"}, "", "pebble"},
		{map[string]string{"state.backend.type": "pebble"}, stream.HashMap, "hashmap"},
		{nil, stream.Pebble, "pebble"},
	} {
		env := stream.NewEnv("job", c.settings)
		if c.program != "" {
			env.StateBackend(c.program)
		}
		stream.Discard(from(env, 1))
		g, err := env.StreamGraph()
		if err != nil || g.Config.StateBackend != c.want {
			t.Errorf("%v, %q: %q, %v; want %q", c.settings, c.program, g.Config.StateBackend, err, c.want)
		}
	}
	for _, env := range []*stream.Env{
		stream.NewEnv("job", map[string]string{"state.backend.type": "filesystem"}),
		stream.NewEnv("job", nil).StateBackend("filesystem"),
	} {
		stream.Discard(from(env, 1))
		if _, err := env.StreamGraph(); err == nil || !strings.Contains(err.Error(), "filesystem") || !strings.Contains(err.Error(), "hashmap or pebble") {
			t.Errorf("an unknown backend: %v", err)
		}
	}
}
