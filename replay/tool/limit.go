package tool

import "context"

// Limit returns a tool of which at most n calls run at once; others wait.
// n <= 0: no limit.
func Limit(t Tool, n int) Tool {
	if n <= 0 {
		return t
	}
	return &limited{Tool: t, slots: make(chan struct{}, n)}
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
