package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The configuration files, in the order in which they are looked for in a configuration directory.
const (
	nestedFile = "config.yaml"
	flatFile   = "flink-conf.yaml"
)

const (
	maxFileSize = 1 << 20
	maxDepth    = 32 // of nested keys
)

// EnvConfDir is the environment variable that names the configuration directory.
const EnvConfDir = "FLINK_CONF_DIR"

// EnvPrefix begins the name of an environment variable that sets a key.
const EnvPrefix = "FLINKGO_"

// EnvName is the environment variable that sets key: FLINKGO_ and the key in upper case, with _ for every dot and
// dash. taskmanager.numberOfTaskSlots is FLINKGO_TASKMANAGER_NUMBEROFTASKSLOTS.
func EnvName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// Dir is the configuration directory that the environment names, "" if none.
func Dir(environ []string) string {
	for _, e := range slices.Backward(environ) {
		if dir, ok := strings.CutPrefix(e, EnvConfDir+"="); ok {
			return dir
		}
	}
	return ""
}

// readDir reads the configuration file of a directory (B-12, B-17).
func readDir(dir string) ([]Value, []string, []Fault) {
	if dir == "" {
		return nil, nil, nil
	}
	whole := func(path, want string) []Fault { return []Fault{{Value{Origin: Origin{Place: path}}, want}} }
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, whole(dir, "this configuration directory does not exist")
	case err != nil:
		return nil, nil, whole(dir, "cannot read the configuration directory: "+reason(err))
	case !info.IsDir():
		return nil, nil, whole(dir, "expected a directory that holds "+nestedFile+" or "+flatFile)
	}
	var warnings []string
	for _, name := range []string{nestedFile, flatFile} {
		path := filepath.Join(dir, name)
		content, err := readFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, nil, whole(path, reason(err))
		}
		if name == flatFile {
			values, faults := parseFlat(path, content)
			return values, warnings, faults
		}
		if _, err := os.Lstat(filepath.Join(dir, flatFile)); err == nil {
			warnings = append(warnings, fmt.Sprintf("%s is not read because %s is there", filepath.Join(dir, flatFile), path))
		}
		values, faults := parseNested(path, content)
		return values, warnings, faults
	}
	return nil, []string{fmt.Sprintf("%s holds neither %s nor %s: defaults are in force", dir, nestedFile, flatFile)}, nil
}

// reason is an error without the operation and the path, which the fault's origin names already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("expected a file, this is a " + kindOf(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	// One byte more than allowed tells a file that is too large, also one that grows.
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFileSize {
		return "", fmt.Errorf("larger than %s", MemorySize(maxFileSize))
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return "", errors.New("expected UTF-8, this is UTF-16")
	case bytes.IndexByte(b, 0) >= 0:
		return "", errors.New("expected a text, this is binary")
	case !utf8.Valid(b):
		return "", errors.New("expected UTF-8")
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n"), nil
}

func kindOf(m fs.FileMode) string {
	if m.IsDir() {
		return "directory"
	}
	return "special file"
}

// parseFlat reads the line form of flink-conf.yaml: "key: value", and everything after # is a comment. path is its
// name in origins. Lines that Flink skips with a warning are faults, and so is a key that stands there twice.
func parseFlat(path, content string) ([]Value, []Fault) {
	var (
		values []Value
		faults []Fault
		first  = map[string]int{}
		parent string // the key before, if it had no value: what follows indented may be meant as nested
		number int
	)
	for line := range strings.Lines(content) {
		number++
		at := Origin{Place: path, Line: number}
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimRight(line, " \t\r\n")
		trimmed := strings.TrimLeft(line, " \t")
		if trimmed == "" {
			continue
		}
		if parent != "" && trimmed != line {
			faults = append(faults, Fault{Value{Origin: at}, fmt.Sprintf("nested keys below %s: expected flat keys such as %s.x: y, or put them into %s", parent, parent, nestedFile)})
			continue
		}
		key, text, ok := strings.Cut(trimmed, ": ")
		if !ok {
			key, ok = strings.CutSuffix(trimmed, ":")
		}
		if key = strings.TrimSpace(key); !ok || key == "" {
			faults = append(faults, Fault{Value{Origin: at}, fmt.Sprintf("got %q, expected key: value", mask(trimmed, trimmed))})
			continue
		}
		text, parent = strings.TrimSpace(text), ""
		if text == "" {
			parent = key
		}
		if f, twice := first[key]; twice {
			faults = append(faults, Fault{Value{key, text, at}, fmt.Sprintf("it once only: it is in line %d too", f)})
			continue
		}
		first[key] = number
		values = append(values, Value{key, text, at})
	}
	return values, faults
}

// parseNested reads config.yaml: YAML whose mappings are keys joined with dots.
func parseNested(path, content string) ([]Value, []Fault) {
	dec := yaml.NewDecoder(strings.NewReader(content))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, []Fault{yamlFault(path, err)}
	}
	f := flattener{path: path, first: map[string]int{}}
	if len(doc.Content) == 1 {
		f.walk("", doc.Content[0], 0)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		f.faults = append(f.faults, Fault{Value{Origin: Origin{Place: path}}, "expected one YAML document, there are more"})
	}
	return f.values, f.faults
}

// yamlFault takes the line out of "yaml: line 3: ...".
func yamlFault(path string, err error) Fault {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Origin{Place: path}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, err := fmt.Sscanf(rest, "%d:", &at.Line); n == 1 && err == nil {
			_, text, _ = strings.Cut(rest, ": ")
		}
	}
	if strings.Contains(text, "cannot start any token") {
		text += " (a tab? YAML is indented with spaces)"
	}
	return Fault{Value{Origin: at}, "not YAML: " + text}
}

// flattener turns a YAML tree into flat keys.
type flattener struct {
	path   string
	values []Value
	faults []Fault
	first  map[string]int // key -> line
}

func (f *flattener) fault(line int, want string) {
	f.faults = append(f.faults, Fault{Value{Origin: Origin{Place: f.path, Line: line}}, want})
}

func (f *flattener) walk(key string, n *yaml.Node, depth int) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		// Anchors buy nothing in a flat list of keys, and their expansion can be made to explode (B-18).
		f.fault(n.Line, "anchors and aliases are not taken: write the value out")
	case depth > maxDepth:
		f.fault(n.Line, fmt.Sprintf("nested deeper than %d levels", maxDepth))
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Kind != yaml.ScalarNode || k.Value == "" {
				f.fault(k.Line, "expected a key that is a text")
				continue
			}
			name := k.Value
			if key != "" {
				name = key + "." + name
			}
			f.walk(name, v, depth+1)
		}
	case key == "":
		if n.Tag != "!!null" {
			f.fault(n.Line, "expected keys with values at the top")
		}
	case n.Kind == yaml.SequenceNode:
		parts := make([]string, 0, len(n.Content))
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode {
				f.fault(e.Line, "expected a list of plain values below "+key)
				return
			}
			parts = append(parts, e.Value)
		}
		f.add(key, strings.Join(parts, ";"), n.Line)
	case n.Tag == "!!null":
		f.add(key, "", n.Line)
	default:
		f.add(key, strings.TrimSpace(n.Value), n.Line)
	}
}

func (f *flattener) add(key, text string, line int) {
	if other, twice := f.first[key]; twice {
		f.faults = append(f.faults, Fault{Value{key, text, Origin{Place: f.path, Line: line}}, fmt.Sprintf("it once only: it is in line %d too", other)})
		return
	}
	f.first[key] = line
	f.values = append(f.values, Value{key, text, Origin{Place: f.path, Line: line}})
}

// ownVariables are names below EnvPrefix that are no keys: they tell a program which part it plays.
func ownVariables() map[string]bool {
	return map[string]bool{EnvPrefix + "ROLE": true, EnvPrefix + "REST": true, EnvPrefix + "DETACHED": true, EnvPrefix + "SETTINGS": true}
}

// flinkVariables are environment variables of Flink's scripts that set a key.
func flinkVariables() map[string]string {
	return map[string]string{
		"FLINK_LOG_DIR": EnvLogDir.Key, "FLINK_PID_DIR": EnvPidDir.Key,
		"ROOT_LOG_LEVEL": EnvLogLevel.Key, "MAX_LOG_FILE_NUMBER": EnvLogMax.Key,
	}
}

// readEnviron finds the keys that the environment sets: FLINK_PROPERTIES, lines as in flink-conf.yaml, which
// containers of Flink use, and below it one variable per key.
func readEnviron(environ []string) (properties, values []Value, warnings []string, faults []Fault) {
	t := newTable()
	scripts, own := flinkVariables(), ownVariables()
	for _, e := range environ {
		name, text, _ := strings.Cut(e, "=")
		at := Origin{Place: "environment " + name}
		switch key, isKey := t.byEnv[name]; {
		case name == "FLINK_PROPERTIES":
			var f []Fault
			properties, f = parseFlat(at.Place, text)
			faults = append(faults, f...)
		case scripts[name] != "":
			values = append(values, Value{scripts[name], strings.TrimSpace(text), at})
		case own[name]:
		case isKey:
			values = append(values, Value{key, strings.TrimSpace(text), at})
		case strings.HasPrefix(name, EnvPrefix):
			// Other programs may use the prefix: only what looks like a misspelling is worth a word.
			for env := range t.byEnv {
				if distance(name, env) <= 2 {
					warnings = append(warnings, fmt.Sprintf("%s: unknown, did you mean %s?", at, env))
				}
			}
		}
	}
	return properties, values, warnings, faults
}
