package provider

import (
	"context"
	"crypto/sha256"
	"hash"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// Projector projects one session again and again as it grows. It is for one
// goroutine at a time.
type Projector interface {
	// Project makes the request that [Provider.Project] makes of the view, to
	// the byte and to the loss. The first same messages of the view are those
	// of the view before, unchanged, so that what was made of them can serve
	// again; 0 is always right. The body may stand in two parts: see [Request].
	Project(ctx context.Context, view *View, same int) (*Request, error)
}

// Incremental is a [Provider] whose projections need not begin anew for every
// request.
type Incremental interface {
	Provider
	NewProjector() Projector
}

// NewProjector returns a projector for a session: the provider's own if it is
// [Incremental], else one that begins anew each time.
func NewProjector(p Provider) Projector {
	if inc, ok := p.(Incremental); ok {
		return inc.NewProjector()
	}
	return anew{p}
}

type anew struct{ Provider }

func (a anew) Project(ctx context.Context, view *View, _ int) (*Request, error) {
	return a.Provider.Project(ctx, view)
}

// API is how a body of an API is made: a JSON object whose last member, before
// the parameters, is the list of what was said.
type API interface {
	Dialect() Dialect
	// Frame returns the body without anything in its list, to be written as JSON.
	// It depends on the view's model and definition and on the outline's tools.
	Frame(view *View, out *Outline) any
	// NewWriter returns the writer of an empty list.
	NewWriter(view *View, out *Outline) ListWriter
	// Params says which of the model's parameters are the body's own business,
	// and left out; it may add to losses.
	Params(view *View, w ListWriter, losses *Losses) (own []string)
}

// ListWriter makes the elements of a body's list.
type ListWriter interface {
	// Unit adds a unit. It changes no element but the last.
	Unit(u *Unit)
	// Settle appends all elements but the last keep to dst, and forgets them.
	Settle(dst []byte, keep int) ([]byte, error)
	// Fork returns a writer that goes on from here without changing this one.
	Fork() ListWriter
	// Losses are those of the units so far. A fork shares them.
	Losses() *Losses
}

// List holds the elements of a body's list that are not written yet.
type List[E any] struct {
	elements []E
	written  int
}

// Len returns the number of all elements.
func (l *List[E]) Len() int { return l.written + len(l.elements) }

// Last returns the last element, nil if there is none.
func (l *List[E]) Last() *E {
	if len(l.elements) == 0 {
		return nil
	}
	return &l.elements[len(l.elements)-1]
}

// Add adds an element.
func (l *List[E]) Add(e E) { l.elements = append(l.elements, e) }

// Copy returns a list with elements of its own; what they point to is shared.
func (l *List[E]) Copy() List[E] { return List[E]{slices.Clone(l.elements), l.written} }

// Settle is [ListWriter.Settle].
func (l *List[E]) Settle(dst []byte, keep int) ([]byte, error) {
	n := len(l.elements) - keep
	if n <= 0 {
		return dst, nil
	}
	to := appended(dst)
	for i := range n {
		if l.written+i > 0 {
			to = append(to, ',')
		}
		if err := json.MarshalWrite(&to, &l.elements[i], wireOptions); err != nil {
			return dst, err
		}
	}
	l.written += n
	l.elements = slices.Delete(l.elements, 0, n)
	return to, nil
}

// appended is what was written. An encoder that writes to a bytes.Buffer keeps a
// quarter of it free, which takes new memory again and again; one that writes to
// this works in memory of its own, which it keeps.
type appended []byte

// Write implements [io.Writer].
func (a *appended) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// Project makes the request of a view.
func Project(ctx context.Context, api API, view *View) (*Request, error) {
	p := &listProjector{api: api}
	made, err := p.project(ctx, view, 0)
	if err != nil {
		return nil, err
	}
	req, err := made.request(view)
	if err != nil {
		return nil, err
	}
	// Nobody goes on with this projection, so its buffer is free.
	req.Body, req.Tail = append(made.body, req.Tail...), nil
	return req, nil
}

// NewListProjector returns a projector that keeps what it has written of the list.
// Frames are those of the API; they may be nil.
func NewListProjector(api API, frames *Frames) Projector {
	return &listProjector{api: api, frames: frames}
}

type listProjector struct {
	api    API
	frames *Frames
	last   *projection // nil: begin anew
}

// Project implements [Projector].
func (p *listProjector) Project(ctx context.Context, view *View, same int) (*Request, error) {
	made, err := p.project(ctx, view, same)
	if err != nil {
		return nil, err
	}
	req, err := made.request(view)
	if err != nil {
		return nil, err
	}
	if req.sum, err = made.hashed(); err != nil {
		return nil, err
	}
	if made.spoken {
		p.last = made
	}
	return req, nil
}

// project takes in a view, going on from the last one if it can.
func (p *listProjector) project(ctx context.Context, view *View, same int) (*projection, error) {
	if len(view.Messages) == 0 {
		return nil, ErrEmpty
	}
	last := p.last
	p.last = nil // until all has gone well
	if last != nil && last.follows(view, same) {
		if ok, err := last.take(ctx, view); ok || err != nil {
			return last, err
		}
	}
	made := &projection{api: p.api, frames: p.frames, outliner: newOutliner(view, p.api.Dialect())}
	_, err := made.take(ctx, view)
	return made, err
}

// projection is a body in the making.
type projection struct {
	api      API
	frames   *Frames
	outliner *outliner
	writer   ListWriter
	messages int // taken in
	body     []byte
	sum      hash.Hash // of the first summed bytes of body
	summed   int

	definition schema.Definition
	model      string

	// spoken: somebody other than the operator has spoken, so it is settled
	// what the list begins with. invented counts texts that nobody said.
	spoken   bool
	invented int
	ends     unitEnd
}

// unitEnd says what the last unit was.
type unitEnd int

const (
	endsOpen    unitEnd = iota // something to answer
	endsByModel                // a response, with nothing behind it
)

// follows reports whether the projection of a view can go on from this one.
func (p *projection) follows(view *View, same int) bool {
	d, e := &p.definition, &view.Definition
	return same >= p.messages && len(view.Messages) >= p.messages && view.Model == p.model && d.Model == e.Model &&
		sameSlice(d.System, e.System) && sameSlice(d.Tools, e.Tools)
}

// sameSlice reports whether two slices are one.
func sameSlice[E any](a, b []E) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// take takes in what the view has more. It reports false if that changes what
// was there.
func (p *projection) take(ctx context.Context, view *View) (ok bool, err error) {
	out := p.outliner.out
	tools := len(out.Tools)
	if ok, err := p.outliner.take(ctx, view, p.messages); !ok || err != nil {
		return false, err
	}
	if p.writer == nil {
		if err := p.begin(view); err != nil {
			return false, err
		}
	} else if len(out.Tools) != tools {
		return false, nil // a tool must be declared that was not
	}
	for _, u := range p.led(out.Units) {
		p.writer.Unit(u)
		if p.body, err = p.writer.Settle(p.body, 1); err != nil {
			return false, err
		}
		p.ends = endsOpen
		if u.Kind == UnitModel && (u.Message == nil || StopOf(u.Message.StopReason) != StopPause) {
			p.ends = endsByModel
		}
	}
	out.Units = nil
	p.messages = len(view.Messages)
	p.definition, p.model = view.Definition, view.Model
	return true, nil
}

// begin writes what stands before the list.
func (p *projection) begin(view *View) error {
	out := p.outliner.out
	head, err := p.frames.frame(p.api, view, out)
	if err != nil {
		return err
	}
	p.body = make([]byte, 0, len(head)+out.Size+out.Size/8)
	p.body = append(p.body, head[:len(head)-len("]}")]...)
	p.writer = p.api.NewWriter(view, out)
	return nil
}

// led returns the units, behind an invented one if the model would speak first.
func (p *projection) led(units []Unit) []*Unit {
	list := make([]*Unit, 0, len(units)+1)
	for i := range units {
		u := &units[i]
		if !p.spoken && u.Kind != UnitInjected {
			p.spoken = true
			if u.Kind != UnitUser {
				p.invented++
				list = slices.Insert(list, 0, inventedUnit("[The conversation so far begins with the assistant.]"))
			}
		}
		list = append(list, u)
	}
	if !p.spoken {
		p.invented++
		list = slices.Insert(list, 0, inventedUnit("[The conversation so far begins with the assistant.]"))
	}
	return list
}

func inventedUnit(text string) *Unit {
	return &Unit{Kind: UnitUser, Role: schema.RoleUser, Content: []Content{{Type: schema.PartText, Text: text}}}
}

// request makes the request of what was taken in.
func (p *projection) request(view *View) (*Request, error) {
	out := p.outliner.out
	w, invented := p.writer.Fork(), p.invented
	if p.ends == endsByModel {
		w.Unit(inventedUnit("Continue."))
		invented++
	}
	tail, err := w.Settle(nil, 0)
	if err != nil {
		return nil, err
	}
	losses := new(Losses).join(&out.Losses)
	for range invented {
		losses.Add(LossInvented, 0)
	}
	losses = losses.join(w.Losses())
	own := p.api.Params(view, w, losses)
	var params jsontext.Value
	if m := view.Definition.Model; m != nil {
		params = m.Params
	}
	end, err := JoinParams([]byte("]}"), params, own...)
	if err != nil {
		return nil, err
	}
	req := &Request{Body: slices.Clip(p.body), Tail: append(tail, end...), Model: view.Model, Losses: losses.List()}
	if len(out.Names) > 0 {
		req.Tools = maps.Clone(out.Names)
	}
	return req, nil
}

// hashed returns the state of a digest that has read the body.
func (p *projection) hashed() (hash.Cloner, error) {
	if p.sum == nil {
		p.sum = sha256.New()
	}
	p.sum.Write(p.body[p.summed:])
	p.summed = len(p.body)
	sum, ok := p.sum.(hash.Cloner)
	if !ok {
		return nil, nil // the request hashes itself whole
	}
	return sum.Clone()
}
