package tool

import (
	"context"
	"reflect"
)

// Limit returns a tool of which at most n calls run at once; others wait.
// n <= 0: no limit.
func Limit(t Tool, n int) Tool {
	if n <= 0 {
		return t
	}
	return &limited{Tool: t, slots: make(chan struct{}, n)}
}

// Limit lets at most n calls of the named tool run at once, under whatever names
// the set knows it: the names of one kind of tool share the n. It reports false
// if there is no such tool.
func (s *Set) Limit(name string, n int) bool {
	named, ok := s.Lookup(name)
	if !ok || n <= 0 {
		return ok
	}
	slots := make(chan struct{}, n)
	for other, t := range s.tools {
		if kind(t) == kind(named) {
			s.tools[other] = &limited{Tool: t, slots: slots}
		}
	}
	return true
}

// kind is the type of the tool that does the work.
func kind(t Tool) reflect.Type {
	for {
		switch w := t.(type) {
		case renamed:
			t = w.Tool
		case *limited:
			t = w.Tool
		default:
			return reflect.TypeOf(t)
		}
	}
}

type limited struct {
	Tool
	slots chan struct{}
}

// Run implements [Tool].
func (l *limited) Run(ctx context.Context, call Call) (Result, error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	defer func() { <-l.slots }()
	return l.Tool.Run(ctx, call)
}
