package web

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/flink-go/flink-go/core"
)

// TestSerializedThrowable holds the layout byte by byte: Java reads it by position.
func TestSerializedThrowable(t *testing.T) {
	str := func(s string) string {
		return "74" + hex.EncodeToString([]byte{byte(len(s) >> 8), byte(len(s))}) + hex.EncodeToString([]byte(s))
	}
	name := func(s string) string { return str(s)[2:] }
	want := "aced0005" + "73" +
		"72" + name("org.apache.flink.util.SerializedThrowable") + "65169df51fa713f3" + "02" + "0003" +
		"4c" + name("fullStringifiedStackTrace") + str("Ljava/lang/String;") +
		"4c" + name("originalErrorClassName") + str("Ljava/lang/String;") +
		"5b" + name("serializedException") + str("[B") + "78" +
		"72" + name("java.lang.Exception") + "d0fd1f3e1a3b1cc4" + "02" + "0000" + "78" +
		"72" + name("java.lang.Throwable") + "d5c635273977b8cb" + "03" + "0004" +
		"4c" + name("cause") + str("Ljava/lang/Throwable;") +
		"4c" + name("detailMessage") + str("Ljava/lang/String;") +
		"5b" + name("stackTrace") + str("[Ljava/lang/StackTraceElement;") +
		"4c" + name("suppressedExceptions") + str("Ljava/util/List;") + "78" + "70" +
		"70" + str("boom") + "70" + "70" + "78" +
		str("boom\nmain.go:7") + str("*errors.errorString") + "70"
	got := hex.EncodeToString(serializedThrowable("*errors.errorString", "boom", "boom\nmain.go:7"))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestModifiedUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"a": "61", "\x00": "c080", "é": "c3a9", "€": "e282ac", "😀": "eda0bdedb880",
	} {
		if got := hex.EncodeToString(modifiedUTF8(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	long := strings.Repeat("x", 70_000)
	if b := serializedThrowable("a", long, "c"); !bytes.Contains(b, append([]byte{tcLongString, 0, 0, 0, 0, 0, 1, 0x11, 0x70}, "xxx"...)) {
		t.Error("a long string is not written as one")
	}
}

func TestFailedResult(t *testing.T) {
	f := newFixture(t)
	r, err := f.client.Result(t.Context(), failedID)
	if err != nil || r.Status != core.JobFailed || r.Failure == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Failure.Class != "*errors.errorString" || !strings.HasPrefix(r.Failure.StackTrace, "boom") || !bytes.HasPrefix(r.Failure.Serialized, []byte(javaMagic)) {
		t.Errorf("%+v", r.Failure)
	}
	r, err = f.client.Result(t.Context(), finishedID)
	if err != nil || r.Status != core.JobFinished || len(r.Accumulators) != 1 || r.Accumulators[0].Value != "28" {
		t.Errorf("%+v, %v", r, err)
	}
}
