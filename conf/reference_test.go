package conf

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run TestReference -update .

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const referencePage = "../docs/configuration.md"

// TestReference holds docs/configuration.md against the table of options.
func TestReference(t *testing.T) {
	want := reference()
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go generate ./conf", referencePage)
	}
}

// reference is the page.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from conf/options.go by go generate ./conf. Do not edit. -->

Keys and defaults are Flink's where Flink has the key. ` + "`flink-go config`" + ` prints every value in force and where it
comes from.

## Where values come from

The last one wins:

1. the defaults below;
2. the file in the directory that ` + "`FLINK_CONF_DIR`" + ` names: ` + "`config.yaml`" + ` (YAML, nested or flat), or, if there is none,
   ` + "`flink-conf.yaml`" + ` (one ` + "`key: value`" + ` per line, everything after ` + "`#`" + ` is a comment);
3. ` + "`FLINK_PROPERTIES`" + `, lines as in flink-conf.yaml, as containers of Flink use it;
4. one environment variable per key: ` + "`FLINKGO_`" + ` and the key in upper case with ` + "`_`" + ` for every dot and dash, such as
   ` + "`FLINKGO_REST_PORT`" + `; and ` + "`FLINK_LOG_DIR`, `FLINK_PID_DIR`, `ROOT_LOG_LEVEL`, `MAX_LOG_FILE_NUMBER`" + ` of Flink's scripts;
5. ` + "`-D key=value`" + `.

An older name of a key works as long as the key itself is not set beside it. "stands in" names keys whose value is used
while the key is not set.

## How values are written

| type | form |
|---|---|
| Duration | number and unit: ` + "`d h min s ms us ns`" + ` and their long names; a number without a unit counts milliseconds |
| MemorySize | number and unit: ` + "`b kb mb gb tb`" + ` (powers of 1024); a number without a unit counts bytes |
| Ports | one port, a range ` + "`50100-50200`" + `, or a list of both; the first free one is used |
| List | ` + "`a;b;c`" + `, or a YAML list |
| Map | ` + "`k1:v1,k2:v2`" + `, or one key per entry below the key |
| Enum | one of the words; case, dashes and underscores do not matter |

A value that is not of its type, out of range, or in contradiction to another stops the process before it does
anything: all faults are listed, each with file and line, key, value and what was expected. The same key twice in a
file is a fault. An unknown key is a warning that names the nearest known one. Flink's keys for the Java virtual machine
are taken in silence; its keys for what this version does not have give a warning. Values of keys with password,
secret, token, api-key, credential, private, keytab or similar in their name are shown as ` + "`******`" + `.

## Keys
`)
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n### %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", s.title)
		for _, d := range s.options {
			doc := d.doc()
			if t := d.typeName(); t == "Enum" {
				doc += " (" + strings.TrimPrefix(d.expected(), "one of ") + ")"
			}
			if len(d.standIns()) > 0 {
				doc += "; stands in: `" + strings.Join(d.standIns(), "`, `") + "`"
			}
			if len(d.older()) > 0 {
				doc += "; older: `" + strings.Join(d.older(), "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.key(), d.typeName(), d.defaultText(), doc)
		}
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(dir+"/config.yaml", []byte("rest:\n  port: 1\nparallelism.default: 4\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Load(dir, os.Environ(), []string{"rest.port=3"}); err != nil {
			b.Fatal(err)
		}
	}
}
