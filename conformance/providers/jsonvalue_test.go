package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// A value is any JSON value as encoding/json gives it, numbers as they are
// spelt. encoding/json and not the project's own choice: the schema compiler and
// the vendors' SDKs are made for it.
type value = any

func readValue(b []byte) (value, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v value
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// exception is a member that may be missing, and why. Its path names members by
// their names and elements of lists by []. Only, if not nil, says which values may
// be missing.
type exception struct {
	path string
	only func(value) bool
	why  string
}

func isNull(v value) bool { return v == nil }

func isEmptyText(v value) bool { return v == "" }

func isEmptyObject(v value) bool {
	m, ok := v.(map[string]value)
	return ok && len(m) == 0
}

// differences lists where got is not want, as a path and what stands there.
func differences(path string, want, got value) []string {
	switch w := want.(type) {
	case map[string]value:
		g, ok := got.(map[string]value)
		if !ok {
			return []string{differs(path, want, got)}
		}
		var out []string
		for _, name := range slices.Sorted(maps.Keys(w)) {
			at := path + "." + name
			if gv, ok := g[name]; ok {
				out = append(out, differences(at, w[name], gv)...)
			} else {
				out = append(out, at+": lost")
			}
		}
		for _, name := range slices.Sorted(maps.Keys(g)) {
			if _, ok := w[name]; !ok {
				out = append(out, path+"."+name+": added")
			}
		}
		return out
	case []value:
		g, ok := got.([]value)
		if !ok || len(g) != len(w) {
			return []string{differs(path, want, got)}
		}
		var out []string
		for i := range w {
			out = append(out, differences(path+"[]", w[i], g[i])...)
		}
		return out
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || !sameNumber(w, g) {
			return []string{differs(path, want, got)}
		}
		return nil
	}
	if want != got {
		return []string{differs(path, want, got)}
	}
	return nil
}

func differs(path string, want, got value) string {
	show := func(v value) string {
		s := fmt.Sprintf("%v", v)
		return s[:min(len(s), 120)]
	}
	return fmt.Sprintf("%s: want %s, got %s", path, show(want), show(got))
}

func sameNumber(a, b json.Number) bool {
	x, okX := new(big.Rat).SetString(a.String())
	y, okY := new(big.Rat).SetString(b.String())
	return okX && okY && x.Cmp(y) == 0
}

// without returns v without the members at a path that only says, all if it is
// nil, and how many there were.
func without(v value, path string, only func(value) bool) (value, int) {
	head, tail, more := strings.Cut(strings.TrimPrefix(path, "."), ".")
	name, list := strings.CutSuffix(head, "[]")
	m, ok := v.(map[string]value)
	if !ok {
		return v, 0
	}
	inner, ok := m[name]
	if !ok {
		return v, 0
	}
	if !more && only != nil && !only(inner) {
		return v, 0
	}
	m = maps.Clone(m)
	if !more {
		delete(m, name)
		return m, 1
	}
	if !list {
		var n int
		m[name], n = without(inner, tail, only)
		return m, n
	}
	elements, ok := inner.([]value)
	if !ok {
		return v, 0
	}
	elements = slices.Clone(elements)
	total := 0
	for i := range elements {
		var n int
		elements[i], n = without(elements[i], tail, only)
		total += n
	}
	m[name] = elements
	return m, total
}
