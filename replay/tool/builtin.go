package tool

// Builtin returns the built-in tools under their own names.
func Builtin() *Set {
	return NewSet(Shell{}, Read{})
}
