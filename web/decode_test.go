package web

import (
	"strings"
	"testing"

	"github.com/flink-go/flink-go/core"
)

// B-21: a value of the wrong type is named in the words of JSON, with its place.
func TestB21_WrongTypesAreNamedInJSON(t *testing.T) {
	var v struct {
		Text   string            `json:"text"`
		Number int               `json:"number"`
		List   []string          `json:"list"`
		Map    map[string]string `json:"map"`
		Job    core.JobID        `json:"job"`
		Flag   *bool             `json:"flag"`
	}
	for body, want := range map[string]string{
		`[]`:            "at the top: expected an object, got array",
		`{"text":1}`:    "at text: expected a string, got number",
		`{"number":{}}`: "at number: expected a whole number, got object",
		`{"list":"x"}`:  "at list: expected an array, got string",
		`{"map":[]}`:    "at map: expected an object, got array",
		`{"job":1}`:     "at job: expected a string, got number",
		`{"flag":"x"}`:  "at flag: expected true or false, got string",
	} {
		if err := decodeJSON("body", []byte(body), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}
