package tables

import (
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// interner gives equal strings one pointer: most columns repeat few values.
type interner map[string]*string

// internLimit bounds an interner; what comes later gets pointers of its own.
const internLimit = 4096

// ptr returns nil for the empty string, which is how events say absent.
func (in interner) ptr(s string) *string {
	if s == "" {
		return nil
	}
	if p, ok := in[s]; ok {
		return p
	}
	if len(in) < internLimit && len(s) <= 256 {
		s = strings.Clone(s)
		in[s] = &s
	}
	return &s
}

func ptr[T any](v T) *T { return &v }

// some returns nil for the empty string.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// nonzero returns nil for 0, where that is how events say absent.
func nonzero(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// micros returns an event's time in microseconds since 1970, nil if it has none
// that can be read.
func micros(s string) *int64 {
	if s == "" {
		return nil
	}
	t, err := schema.ParseTime(s)
	if err != nil {
		return nil
	}
	return ptr(t.UnixMicro())
}

// between returns the microseconds from a to b, nil if one is missing.
func between(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	return ptr(*b - *a)
}

// latest returns the larger one, b if a is nil.
func latest(a, b *int64) *int64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// last returns b if it is there, else a.
func last[T any](a, b *T) *T {
	if b != nil {
		return b
	}
	return a
}
