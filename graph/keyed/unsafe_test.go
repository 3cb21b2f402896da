package keyed

import "unsafe"

// unsafeString is a string that lies in b, as decoded ones lie in frames.
func unsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }
