package conf

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flink-go/flink-go/core"
)

// dirWith makes a configuration directory with one file.
func dirWith(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, dir string, environ []string, flags ...string) *Config {
	t.Helper()
	c, err := Load(dir, environ, flags)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func originOf(t *testing.T, c *Config, key string) string {
	t.Helper()
	for _, v := range c.Show() {
		if v.Key == key {
			return v.Origin.String()
		}
	}
	t.Fatalf("%s is not shown", key)
	return ""
}

// TestB20_Precedence: -D over environment over file over default, and each value tells where it came from.
func TestB20_Precedence(t *testing.T) {
	dir := dirWith(t, "flink-conf.yaml", "rest.port: 1\nparallelism.default: 2\ntaskmanager.numberOfTaskSlots: 3\n")
	c := load(t, dir, []string{"FLINKGO_REST_PORT=10", "FLINKGO_PARALLELISM_DEFAULT=20", "FLINKGO_ROLE=submit", "HOME=/x"}, "rest.port=100", "rest.port=101")
	for key, want := range map[string]struct {
		got    int
		want   int
		origin string
	}{
		"rest.port":                     {RestPort.Get(c), 101, "flag -D"},
		"parallelism.default":           {ParallelismDefault.Get(c), 20, "environment FLINKGO_PARALLELISM_DEFAULT"},
		"taskmanager.numberOfTaskSlots": {TaskManagerNumberOfTaskSlots.Get(c), 3, filepath.Join(dir, "flink-conf.yaml") + ":3"},
		"jobmanager.rpc.port":           {JobManagerRPCPort.Get(c), 6123, "default"},
	} {
		if want.got != want.want {
			t.Errorf("%s: %d, want %d", key, want.got, want.want)
		}
		if o := originOf(t, c, key); o != want.origin {
			t.Errorf("%s comes from %q, want %q", key, o, want.origin)
		}
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	job, err := c.With(map[string]string{"rest.port": "7", "x.y": "z"}, "job")
	if err != nil || RestPort.Get(job) != 7 || RestPort.Get(c) != 101 || job.Settings()["x.y"] != "z" {
		t.Errorf("With: %d, %v", RestPort.Get(job), err)
	}
}

// TestFallbacks: older names and keys that stand in.
func TestFallbacks(t *testing.T) {
	c := load(t, "", nil, "web.port=1", "restart-strategy=FAILURE_RATE", "jobmanager.rpc.address=jm")
	if RestPort.Get(c) != 1 || RestBindPort.Get(c).String() != "1" || strategy(c) != "failure-rate" || RestAddress.Get(c) != "jm" {
		t.Errorf("%d %s %s %s", RestPort.Get(c), RestBindPort.Get(c), strategy(c), RestAddress.Get(c))
	}
	if o := originOf(t, c, "rest.port"); o != "flag -D (as web.port)" {
		t.Errorf("origin %q", o)
	}
	if o := originOf(t, c, "rest.address"); o != "flag -D (as jobmanager.rpc.address)" {
		t.Errorf("origin %q", o)
	}
	both := load(t, "", nil, "web.port=1", "rest.port=2")
	if RestPort.Get(both) != 2 || len(both.Warnings()) != 1 || !strings.Contains(both.Warnings()[0], "web.port has no effect") {
		t.Errorf("%d %q", RestPort.Get(both), both.Warnings())
	}
	if r := c.Restart(); r.Type != "failure-rate" || r.MaxFailures != 1 || r.Interval != time.Minute || r.Multiplier != 0 {
		t.Errorf("%+v", r)
	}
	if r := Default().Restart(); r.Type != "exponential-delay" || r.InitialBackoff != time.Second || r.Attempts != 0 {
		t.Errorf("%+v", r)
	}
	if s := strategy(load(t, "", nil, "restart-strategy.type=off")); s != "none" {
		t.Errorf("off is %s", s)
	}
}

// strategy keeps the lines above short.
func strategy(c *Config) string { return RestartStrategyType.Get(c) }

// TestB12_Files: what is no configuration file says so; BOM and CRLF are taken.
func TestB12_Files(t *testing.T) {
	anchors := "a: &a [x,x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n" // B-18
	for name, c := range map[string]struct{ file, content, want string }{
		"binary":          {"flink-conf.yaml", "a: b\x00c", "expected a text, this is binary"},
		"not UTF-8":       {"flink-conf.yaml", "a: \xff\xfb", "expected UTF-8"},
		"UTF-16":          {"flink-conf.yaml", "\xff\xfea\x00", "this is UTF-16"},
		"too large":       {"flink-conf.yaml", strings.Repeat("#", maxFileSize+1), "larger than 1 mb"},
		"nested in flat":  {"flink-conf.yaml", "rest:\n  port: 1\n", "flink-conf.yaml:2: nested keys below rest"},
		"no value":        {"flink-conf.yaml", "just text\n", `flink-conf.yaml:1: got "just text", expected key: value`},
		"twice":           {"flink-conf.yaml", "a.b: 1\n#\na.b: 2\n", "flink-conf.yaml:3: a.b: got \"2\", expected it once only: it is in line 1 too"}, // B-15
		"twice nested":    {"config.yaml", "rest:\n  port: 1\nrest.port: 2\n", "config.yaml:3: rest.port: got \"2\", expected it once only: it is in line 2 too"},
		"not YAML":        {"config.yaml", "a: [1\n", "not YAML"},
		"tabs":            {"config.yaml", "rest:\n\tport: 1\n", "config.yaml:2: not YAML"},
		"anchors":         {"config.yaml", anchors, "config.yaml:1: anchors and aliases are not taken"},
		"two documents":   {"config.yaml", "a.b: 1\n---\nc.d: 2\n", "expected one YAML document"},
		"list at the top": {"config.yaml", "- a\n", "expected keys with values at the top"},
		"deep":            {"config.yaml", strings.Repeat("{a: ", 100) + "1" + strings.Repeat("}", 100), "nested deeper than 32 levels"},
		"list of maps":    {"config.yaml", "io.tmp.dirs:\n- a: b\n", "expected a list of plain values below io.tmp.dirs"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(dirWith(t, c.file, c.content), nil, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || core.KindOf(err) != core.Invalid {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for name, c := range map[string]struct{ file, content string }{
		"BOM and CRLF":    {"flink-conf.yaml", "\xef\xbb\xbfrest.port: 7\r\n# comment\r\n"},
		"nested":          {"config.yaml", "rest:\n  port: 7 # comment\n"},
		"mixed":           {"config.yaml", "rest.port: '7'\njobmanager: {rpc: {address: jm}}\nweb.tmpdir: ~\n"},
		"end of comment":  {"flink-conf.yaml", "rest.port: 7#8081\nweb.tmpdir:\n"},
		"spaces":          {"flink-conf.yaml", "  rest.port:   7  "},
		"nested BOM CRLF": {"config.yaml", "\xef\xbb\xbfrest:\r\n  port: 7\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if c := load(t, dirWith(t, c.file, c.content), nil); RestPort.Get(c) != 7 {
				t.Errorf("rest.port is %d", RestPort.Get(c))
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		for _, file := range []string{"config.yaml", "flink-conf.yaml"} {
			if c := load(t, dirWith(t, file, ""), nil); RestPort.Get(c) != 8081 {
				t.Error(file)
			}
		}
	})
	t.Run("no file", func(t *testing.T) {
		c := load(t, t.TempDir(), nil)
		if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], "defaults are in force") {
			t.Errorf("%q", w)
		}
	})
	t.Run("both files", func(t *testing.T) {
		dir := dirWith(t, "config.yaml", "rest.port: 7\n")
		if err := os.WriteFile(filepath.Join(dir, "flink-conf.yaml"), []byte("rest.port: 8\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := load(t, dir, nil); RestPort.Get(c) != 7 || len(c.Warnings()) != 1 {
			t.Errorf("%d %q", RestPort.Get(c), c.Warnings())
		}
	})
	t.Run("places that are none", func(t *testing.T) {
		withDir := t.TempDir()
		if err := os.Mkdir(filepath.Join(withDir, "config.yaml"), 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dirWith(t, "x", ""), "x")
		for dir, want := range map[string]string{
			withDir:                      "expected a file, this is a directory",
			file:                         "expected a directory that holds config.yaml or flink-conf.yaml",
			filepath.Join(withDir, "no"): "does not exist", // B-17
		} {
			if _, err := Load(dir, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", dir, err, want)
			}
		}
	})
}

// TestB13_UnknownKeys: a warning with the nearest known key; keys of the Java virtual machine are taken in silence.
func TestB13_UnknownKeys(t *testing.T) {
	for flag, want := range map[string]string{
		"rest.prot=1":                                      "unknown key rest.prot, did you mean rest.port?",
		"taskmanager.numberoftaskslots=1":                  "did you mean taskmanager.numberOfTaskSlots?",
		"completely.different.thing.of.mine=1":             "unknown key completely.different.thing.of.mine",
		"execution.checkpointing.interval=10 s":            "execution.checkpointing.interval has no effect in this version",
		"high-availability=zookeeper":                      "high-availability has no effect in this version",
		"metrics.reporter.prom.port=1":                     "has no effect in this version",
		"env.java.opts.all=-Xmx1g":                         "",
		"jobmanager.memory.process.size=1600m":             "",
		"state.backend.rocksdb.memory.managed=x":           "",
		"pipeline.global-job-parameters.some.key=some:val": "",
	} {
		w := load(t, "", nil, flag).Warnings()
		switch {
		case want == "" && len(w) > 0:
			t.Errorf("%s: %q", flag, w)
		case want != "" && (len(w) != 1 || !strings.Contains(w[0], want)):
			t.Errorf("%s: %q, want %q", flag, w, want)
		}
	}
	if w := load(t, "", []string{"FLINKGO_REST_PROT=1", "FLINKGO_SOMETHING_ELSE=1"}).Warnings(); len(w) != 1 || !strings.Contains(w[0], "did you mean FLINKGO_REST_PORT?") {
		t.Errorf("environment: %q", w)
	}
}

// TestB14_Values: units, ranges and types.
func TestB14_Values(t *testing.T) {
	bad := map[string][]string{
		"rest.port":                                        {"70000", "-1", "x", "1.5", "99999999999999999999"},
		"rest.bind-port":                                   {"9000-8000", "a-b", "70000", "1,,2", "1-", "-1"},
		"heartbeat.interval":                               {"5 parsec", "-1 s", "0", "s", "1.5 s", "9223372036854775807 d", ""[:0] + "x"},
		"taskmanager.memory.segment-size":                  {"10 mibs", "1 kb", "-5 mb", "99999999999 tb", "1 m b"},
		"taskmanager.memory.process.size":                  {"1 parsec", "12"},
		"parallelism.default":                              {"0", "-1", "1000000000", "x"},
		"pipeline.max-parallelism":                         {"32769", "-2"},
		"web.submit.enable":                                {"yes", "1"},
		"restart-strategy.type":                            {"sometimes"},
		"restart-strategy.exponential-delay.jitter-factor": {"2", "NaN", "-0.1", "Inf"},
		"pipeline.global-job-parameters":                   {"a", "a:b,a:c", ":b"},
		"execution.checkpointing.interval":                 {"x"}, // without effect, and wrong all the same
	}
	for key, values := range bad {
		for _, v := range values {
			_, err := Load("", nil, []string{key + "=" + v})
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("flag -D: %s: got %q, expected ", key, v)) {
				t.Errorf("%s=%s: %v", key, v, err)
			}
		}
	}
	for _, c := range []struct {
		flag string
		got  func(*Config) any
		want any
	}{
		{"heartbeat.interval=5000", func(c *Config) any { return HeartbeatInterval.Get(c) }, 5 * time.Second},
		{"heartbeat.interval=5s", func(c *Config) any { return HeartbeatInterval.Get(c) }, 5 * time.Second},
		{"heartbeat.interval=3 µs", func(c *Config) any { return len(c.Warnings()) }, nil},
		{"slot.idle.timeout=2 DAYS", func(c *Config) any { return SlotIdleTimeout.Get(c) }, 48 * time.Hour},
		{"jobstore.expiration-time=60", func(c *Config) any { return JobStoreExpirationTime.Get(c) }, time.Minute},
		{"taskmanager.memory.segment-size=64k", func(c *Config) any { return TaskManagerMemorySegmentSize.Get(c) }, MemorySize(64 << 10)},
		{"taskmanager.memory.segment-size=1 MiB", func(c *Config) any { return TaskManagerMemorySegmentSize.Get(c) }, MemorySize(1 << 20)},
		{"rest.bind-port=1, 5-7", func(c *Config) any { return fmt.Sprint(RestBindPort.Get(c).All()) }, "[1 5 6 7]"},
		{"io.tmp.dirs=/a;/b", func(c *Config) any { return fmt.Sprint(c.TmpDirs()) }, "[/a /b]"},
		{"taskmanager.tmp.dirs=/a,/b", func(c *Config) any { return c.WorkingDir() }, "/a"},
		{"pipeline.global-job-parameters=a:b,c:d:e", func(c *Config) any { return PipelineGlobalJobParameters.Get(c)["c"] }, "d:e"},
	} {
		cfg, err := Load("", nil, []string{c.flag})
		if c.want == nil {
			if err == nil {
				t.Errorf("%s: no error", c.flag)
			}
			continue
		}
		if err != nil || c.got(cfg) != c.want {
			t.Errorf("%s: %v, want %v (%v)", c.flag, c.got(cfg), c.want, err)
		}
	}
	for _, flag := range []string{"rest.port", "=5", ""} {
		if _, err := Load("", nil, []string{flag}); err == nil || !strings.Contains(err.Error(), "expected key=value") {
			t.Errorf("-D %q: %v", flag, err)
		}
	}
}

// TestB16_Contradictions: values that are good alone and not together; both places are named.
func TestB16_Contradictions(t *testing.T) {
	for flags, want := range map[string]string{
		"heartbeat.interval=1 min": `heartbeat.interval: got "1 min", expected less than heartbeat.timeout, which is "50 s" (default)`,
		"slotmanager.number-of-slots.min=5 slotmanager.number-of-slots.max=4": `at most slotmanager.number-of-slots.max, which is "4" (flag -D)`,
		"restart-strategy.exponential-delay.initial-backoff=2min":             "at most restart-strategy.exponential-delay.max-backoff",
		"parallelism.default=8 pipeline.max-parallelism=4":                    "at most pipeline.max-parallelism",
		"pipeline.object-reuse=false":                                         "always pass records without a copy",
		"cluster.registration.initial-timeout=1min":                           "at most cluster.registration.max-timeout",
		"taskmanager.network.request-backoff.initial=5000000":                 "at most taskmanager.network.request-backoff.max",
	} {
		_, err := Load("", nil, strings.Split(flags, " ")[:])
		if strings.Contains(flags, "1 min") {
			_, err = Load("", nil, []string{flags})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", flags, err, want)
		}
	}
}

// TestAllFaults: every fault is listed, in the order of places, secrets masked.
func TestAllFaults(t *testing.T) {
	dir := dirWith(t, "flink-conf.yaml", "rest.port: x\nheartbeat.timeout: y\n")
	_, err := Load(dir, []string{"FLINKGO_WEB_TIMEOUT=z"}, []string{"parallelism.default=-1"})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], "flink-conf.yaml:1") || !strings.Contains(lines[1], "flink-conf.yaml:2") ||
		!strings.Contains(lines[2], "FLINKGO_WEB_TIMEOUT") || !strings.Contains(lines[3], "flag -D") {
		t.Errorf("%q", lines)
	}
	c := load(t, "", nil, "security.ssl.rest.key-password=hunter2", "my.api-key=hunter2", "rest.auth.token-file=/run/token")
	for _, v := range c.Show() {
		if strings.Contains(v.Text, "hunter2") {
			t.Errorf("%s shows its secret", v.Key)
		}
		if v.Key == "rest.auth.token-file" && v.Text != "/run/token" {
			t.Errorf("the path of the token is hidden: %s", v.Text)
		}
	}
	if c.Settings()["my.api-key"] != "hunter2" {
		t.Error("another process would not get the secret")
	}
}

// TestSEC01_Listeners: an address that others reach needs one explicit key.
func TestSEC01_Listeners(t *testing.T) {
	for host, good := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"0.0.0.0": false, "::": false, "10.0.0.1": false, "example.com": false} {
		c := load(t, "", nil, "rest.bind-address="+host)
		err := c.CheckListeners(RestBindAddress, JobManagerBindHost)
		if (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
		if err != nil && !strings.Contains(err.Error(), "security.insecure") {
			t.Errorf("%s: the key is not named: %v", host, err)
		}
		if err := load(t, "", nil, "rest.bind-address="+host, "security.insecure=true").CheckListeners(RestBindAddress); err != nil {
			t.Errorf("%s, insecure: %v", host, err)
		}
	}
	if err := Default().CheckListeners(RestBindAddress, JobManagerBindHost, TaskManagerBindHost); err != nil {
		t.Errorf("defaults are open: %v", err)
	}
}

// TestEnvironmentOfFlink: variables of Flink's scripts and containers.
func TestEnvironmentOfFlink(t *testing.T) {
	dir := dirWith(t, "config.yaml", "rest.port: 1\nenv.log.dir: /file\nparallelism.default: 4\n")
	c := load(t, dir, []string{"FLINK_PROPERTIES=rest.port: 2\nparallelism.default: 5\n", "FLINK_LOG_DIR=/env", "FLINKGO_REST_PORT=3"})
	if RestPort.Get(c) != 3 || EnvLogDir.Get(c) != "/env" || ParallelismDefault.Get(c) != 5 {
		t.Errorf("%d %s %d", RestPort.Get(c), EnvLogDir.Get(c), ParallelismDefault.Get(c))
	}
	if o := originOf(t, c, "parallelism.default"); o != "environment FLINK_PROPERTIES:2" {
		t.Errorf("origin %q", o)
	}
	if d := Dir([]string{"FLINK_CONF_DIR=/a", "X=y"}); d != "/a" {
		t.Errorf("Dir %q", d)
	}
}

func TestShipped(t *testing.T) {
	values, faults := parseFlat("flink-conf.yaml", Shipped())
	if len(values) > 0 || len(faults) > 0 {
		t.Errorf("the shipped file sets %v, %v", values, faults)
	}
	// With the # removed every line is a good setting, with the default's value where it shows one.
	keys := 0
	table := newTable()
	for line := range strings.Lines(Shipped()) {
		text, isKey := strings.CutPrefix(strings.TrimSpace(line), "# ")
		key, _, hasValue := strings.Cut(text, ": ")
		if !isKey || !hasValue || table.inForce[key] == nil {
			continue
		}
		keys++
		values, faults := parseFlat("x", text)
		if len(faults) > 0 || len(values) != 1 {
			t.Errorf("%s: %v", text, faults)
			continue
		}
		if _, err := table.inForce[key].parse(values[0].Text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if keys < 10 || keys > 20 {
		t.Errorf("the shipped file shows %d keys, want 10 to 20", keys)
	}
}

// TestTable: every option is listed once, its default is of its type, and no two keys look alike to viper or the
// environment.
func TestTable(t *testing.T) {
	seen := map[string]string{}
	envs := map[string]string{}
	table := newTable()
	for _, s := range sections() {
		for _, d := range s.options {
			if other, twice := seen[strings.ToLower(d.key())]; twice {
				t.Errorf("%s and %s differ by case alone", d.key(), other)
			}
			seen[strings.ToLower(d.key())] = d.key()
			if other, twice := envs[EnvName(d.key())]; twice {
				t.Errorf("%s and %s have one environment variable", d.key(), other)
			}
			envs[EnvName(d.key())] = d.key()
			if d.doc() == "" || d.expected() == "" {
				t.Errorf("%s has no doc", d.key())
			}
			if text := d.defaultText(); text != "" {
				if _, err := d.parse(text); err != nil {
					t.Errorf("%s: its default %q is not what it takes: %s", d.key(), text, d.expected())
				}
			}
			for _, o := range d.older() {
				if table.older[o] != d.key() {
					t.Errorf("%s is the older name of %s and of %s", o, d.key(), table.older[o])
				}
			}
			for _, o := range slices.Concat(d.older(), d.standIns()) {
				if o == d.key() {
					t.Errorf("%s falls back to itself", o)
				}
			}
			if _, ok := table.findKnown(d.key()); ok && !strings.HasPrefix(d.key(), "env.") && !strings.HasPrefix(d.key(), "pekko.") && !strings.HasPrefix(d.key(), "blob.") {
				t.Errorf("%s is both in force and without effect", d.key())
			}
		}
	}
	for own := range ownVariables() {
		if key, taken := envs[own]; taken {
			t.Errorf("%s is the variable of %s", own, key)
		}
	}
	if n := len(optionVariables(t)); n != len(seen) {
		t.Errorf("options.go declares %d options, sections lists %d", n, len(seen))
	}
}

// optionVariables are the names that options.go declares.
func optionVariables(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

func FuzzFlat(f *testing.F) {
	f.Add("rest.port: 1\n# x\n")
	f.Fuzz(func(_ *testing.T, s string) { parseFlat("f", s) })
}

func FuzzNested(f *testing.F) {
	f.Add("rest:\n  port: [1, 2]\n")
	f.Fuzz(func(_ *testing.T, s string) { parseNested("f", s) })
}
