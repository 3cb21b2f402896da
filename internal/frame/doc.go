// Package frame is the framing of the data plane and of pipelines between jobs: a preface that both sides send once,
// then frames with a fixed header, a payload and a CRC-32C over both.
//
// A reader trusts nothing: lengths are compared with a limit before memory is made for them, and every way in which
// bytes can be wrong has an error of its own, so that a log line says what arrived instead (an HTTP request, another
// version, a cut connection). The package holds values and functions only; it owns no goroutine and no connection.
package frame
