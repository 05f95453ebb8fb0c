package provider

import "context"

// Limit returns a provider that has at most n requests under way at once;
// others wait. n <= 0: no limit.
func Limit(p Provider, n int) Provider {
	if n <= 0 {
		return p
	}
	return &limited{Provider: p, slots: make(chan struct{}, n)}
}

type limited struct {
	Provider
	slots chan struct{}
}

// NewProjector implements [Incremental].
func (l *limited) NewProjector() Projector { return NewProjector(l.Provider) }

// Send implements [Provider].
func (l *limited) Send(ctx context.Context, req *Request, stream Stream) (*Response, error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, AsError(ctx, context.Cause(ctx))
	}
	defer func() { <-l.slots }()
	return l.Provider.Send(ctx, req, stream)
}
