package stream

// What libraries of operators need to run function objects of the program as the verbs of this package do.

// IsNil tells whether an interface value holds nothing or a nil pointer, function or map.
func IsNil(f any) bool { return isNil(f) }

// CloneObject returns the copy of a function object that a subtask works on: a shallow one of the struct that f points
// to. What is no pointer to a struct is returned as it is.
func CloneObject[F any](f F) F { return clone(f) }

// OpenObject opens an object that is an Opener.
func OpenObject(ctx *RuntimeContext, object any) error { return open(ctx, object) }

// CloseObject closes an object that is an io.Closer.
func CloseObject(ctx *RuntimeContext, object any) error { return shut(ctx, object) }
