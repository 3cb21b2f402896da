package main

import (
	"strconv"
	"strings"
	"unicode"
)

// printable escapes control characters in text that comes from elsewhere, so that it cannot command the terminal
// (SEC-20).
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
