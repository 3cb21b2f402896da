package web

import (
	"encoding/binary"
	"unicode/utf16"

	"github.com/flink-go/flink-go/api/rest"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

// Flink's Java clients read a failure from Java's own serialized form of org.apache.flink.util.SerializedThrowable and
// end with a NullPointerException where it is missing. The layout is Java's Object Serialization Stream Protocol; the
// numbers below are that class's and its ancestors' serialVersionUIDs.

const (
	tcNull         = 0x70
	tcClassDesc    = 0x72
	tcObject       = 0x73
	tcString       = 0x74
	tcEndBlockData = 0x78
	tcLongString   = 0x7c

	scSerializable = 0x02 // flags of a class with default fields
	scWriteMethod  = 0x01 // and with writeObject: its data ends with tcEndBlockData
)

const (
	uidSerializedThrowable = 7284183123441947635
	uidException           = 0xd0fd1f3e1a3b1cc4
	uidThrowable           = 0xd5c635273977b8cb
)

// javaWriter appends to a serialization stream.
type javaWriter struct{ b []byte }

func (w *javaWriter) bytes(b ...byte) { w.b = append(w.b, b...) }
func (w *javaWriter) u16(n uint16)    { w.b = binary.BigEndian.AppendUint16(w.b, n) }
func (w *javaWriter) u64(n uint64)    { w.b = binary.BigEndian.AppendUint64(w.b, n) }

// utf is a short string as names are written.
func (w *javaWriter) utf(s string) {
	w.u16(uint16(len(s)))
	w.b = append(w.b, s...)
}

// text is a string as a value is written, in Java's modified UTF-8.
func (w *javaWriter) text(s string) {
	m := modifiedUTF8(s)
	if len(m) <= 0xffff {
		w.bytes(tcString)
		w.u16(uint16(len(m)))
	} else {
		w.bytes(tcLongString)
		w.u64(uint64(len(m)))
	}
	w.b = append(w.b, m...)
}

// modifiedUTF8 encodes each UTF-16 unit by itself, and the zero in two bytes.
func modifiedUTF8(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		switch {
		case u != 0 && u < 0x80:
			b = append(b, byte(u))
		case u < 0x800:
			b = append(b, 0xc0|byte(u>>6), 0x80|byte(u&0x3f))
		default:
			b = append(b, 0xe0|byte(u>>12), 0x80|byte(u>>6&0x3f), 0x80|byte(u&0x3f))
		}
	}
	return b
}

// class begins the description of a class; field follows for each of its fields, then the end of its annotation and
// its parent.
func (w *javaWriter) class(name string, uid uint64, flags byte, fields int) {
	w.bytes(tcClassDesc)
	w.utf(name)
	w.u64(uid)
	w.bytes(flags)
	w.u16(uint16(fields))
}

func (w *javaWriter) field(kind byte, name, class string) {
	w.bytes(kind)
	w.utf(name)
	w.text(class)
}

// serializedThrowable is a failure as Java's SerializedThrowable.
func serializedThrowable(class, message, stack string) []byte {
	w := &javaWriter{}
	w.bytes(0xac, 0xed, 0x00, 0x05, tcObject)
	w.class("org.apache.flink.util.SerializedThrowable", uidSerializedThrowable, scSerializable, 3)
	// Fields stand in Java's order: objects by name.
	w.field('L', "fullStringifiedStackTrace", "Ljava/lang/String;")
	w.field('L', "originalErrorClassName", "Ljava/lang/String;")
	w.field('[', "serializedException", "[B")
	w.bytes(tcEndBlockData)
	w.class("java.lang.Exception", uidException, scSerializable, 0)
	w.bytes(tcEndBlockData)
	w.class("java.lang.Throwable", uidThrowable, scSerializable|scWriteMethod, 4)
	w.field('L', "cause", "Ljava/lang/Throwable;")
	w.field('L', "detailMessage", "Ljava/lang/String;")
	w.field('[', "stackTrace", "[Ljava/lang/StackTraceElement;")
	w.field('L', "suppressedExceptions", "Ljava/util/List;")
	w.bytes(tcEndBlockData, tcNull)
	// Values, the topmost ancestor's first.
	w.bytes(tcNull)
	w.text(message)
	w.bytes(tcNull, tcNull, tcEndBlockData)
	w.text(stack)
	w.text(class)
	w.bytes(tcNull)
	return w.b
}

// failureCause is a failure as the result of a job shows it.
func failureCause(f *pb.ErrorInfo) *rest.FailureCause {
	stack := stackOf(f.GetMessage(), f.GetStack())
	return &rest.FailureCause{
		Class:      className(f.GetType()),
		StackTrace: stack,
		Serialized: serializedThrowable(className(f.GetType()), f.GetMessage(), stack),
	}
}

// className is never empty: tools print it.
func className(goType string) string {
	if goType == "" {
		return "error"
	}
	return goType
}

// stackOf is what people read as a stack trace: the message, then the stack of user code if there is one.
func stackOf(message, stack string) string {
	if stack == "" {
		return message
	}
	return message + "\n" + stack
}

func stackOfFailure(f *scheduler.FailureInfo) string { return stackOf(f.Message, f.Stack) }
