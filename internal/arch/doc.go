// Package arch holds rules about the code as tests: which package may import which, who alone may import a heavy
// library, and what every package must document. It has no code of its own.
package arch
