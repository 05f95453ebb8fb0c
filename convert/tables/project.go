package tables

import (
	"context"
	"fmt"
	"iter"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Sink takes the rows of a log. A nil function says that nobody wants the
// table, and what only it needs is not computed. Rows may be kept. A function's
// error ends the projection.
type Sink struct {
	// Begin is called with the log before its first row.
	Begin      func(format.Info)
	Session    func(*Session) error
	Event      func(*Event) error
	Block      func(*Block) error
	ModelCall  func(*ModelCall) error
	ToolCall   func(*ToolCall) error
	FileTouch  func(*FileTouch) error
	Compaction func(*Compaction) error
}

// Options say what rows contain.
type Options struct {
	// Payload puts the whole entry into each row of events.
	Payload bool
	// NoText leaves out what people, models and tools wrote: texts, arguments,
	// titles. Sizes, digests, names and paths stay.
	NoText bool
	// Prices tells the cost of calls whose source does not; nil: it stays unknown.
	Prices *schema.PriceTable
	// Fidelity returns the report of a log's newest import as JSON, nil if there
	// is none; it may be nil itself.
	Fidelity func(format.LogID) *string
}

// Project reads a log and gives its rows to the sink, each table's in ascending
// seq; rows of different tables come in no particular order. It reads up to the
// log's size at the time of the call and returns the head of that. Tables of
// calls, and the session's row, come at the end.
func Project(ctx context.Context, store format.Store, log format.LogID, opts Options, sink Sink) (format.Head, error) {
	info, err := store.Info(ctx, log)
	if err != nil {
		return format.Head{}, err
	}
	p := &projection{opts: opts, sink: sink, info: info, names: make(interner)}
	if info.Fork != nil {
		p.own = info.Fork.Size
	}
	p.scan.own = p.own
	if p.root, err = root(ctx, store, info); err != nil {
		return format.Head{}, err
	}
	if sink.Begin != nil {
		sink.Begin(info)
	}
	defer p.calls.arguments.close()
	for done := false; !done; {
		if done, err = p.read(store.Read(ctx, log, 0)); err != nil {
			return format.Head{}, err
		}
	}
	head := format.Head{Log: log, Size: p.tree.Size(), Root: p.tree.Root()}
	return head, p.end(head)
}

// read goes through the entries of the log. Those in front of the point where
// enough is known to make rows are held; done is false if they were too many for
// that, and the entries must be read again.
func (p *projection) read(entries iter.Seq2[format.Entry, error]) (done bool, err error) {
	held := held{whole: true}
	for e, err := range entries {
		if err != nil {
			return false, fmt.Errorf("read log %s: %w", p.info.ID, err)
		}
		if e.Seq >= p.info.Size {
			break
		}
		if p.begun {
			if err := p.entry(e); err != nil {
				return false, err
			}
			continue
		}
		if !p.scan.enough(e.Seq) {
			p.scan.look(e)
			held.add(e)
			continue
		}
		p.begin()
		if !held.whole {
			return false, nil
		}
		held.add(e)
		if err := held.give(p.entry); err != nil {
			return false, err
		}
	}
	if p.begun {
		return true, nil
	}
	p.begin()
	if !held.whole {
		return false, nil
	}
	return true, held.give(p.entry)
}

// root follows a chain of forks to the log it ends in.
func root(ctx context.Context, store format.Store, info format.Info) (string, error) {
	seen := map[format.LogID]bool{}
	for info.Fork != nil && !seen[info.ID] {
		seen[info.ID] = true
		parent, err := store.Info(ctx, info.Fork.Log)
		if err != nil {
			return "", fmt.Errorf("parent of log %s: %w", info.ID, err)
		}
		info = parent
	}
	return info.ID.String(), nil
}

// projection is the state of one log being read.
type projection struct {
	opts  Options
	sink  Sink
	info  format.Info
	own   int64 // first entry that is the log's own
	root  string
	scan  scan
	begun bool // enough is known to make rows
	tree  format.Frontier
	dec   decoder
	names interner
	key   key

	session sessionState
	models  modelCalls
	calls   toolCalls
}

func (p *projection) begin() {
	p.begun = true
	p.key = key{log: p.info.ID.String(), session: p.names.ptr(p.scan.session), vendor: p.names.ptr(p.scan.vendor)}
	p.session.begin(p)
	p.session.row.RootLogID = p.root
	p.models.begin()
	p.calls.begin()
}

// wanted tells which types' data must be read.
func (p *projection) wanted(t schema.Type) bool {
	switch t {
	case schema.TypeUserMessage, schema.TypeUserInterrupt, schema.TypeModelOutput, schema.TypeModelRequested, schema.TypeModelFailed,
		schema.TypeToolStarted, schema.TypeToolResult, schema.TypePermissionRequested, schema.TypePermissionDecided,
		schema.TypeSessionOpened, schema.TypeSessionDefined, schema.TypeSessionUpdated, schema.TypeSessionForked, schema.TypeSessionLinked,
		schema.TypeTurnFinished, schema.TypeContextCompacted, schema.TypeVendorRecord:
		return true
	case schema.TypeSystemMessage:
		return p.sink.Block != nil || p.sink.Event != nil
	case schema.TypeFileChanged:
		return p.sink.FileTouch != nil
	}
	return false
}

// entry takes the next entry of the log.
func (p *projection) entry(e format.Entry) error {
	p.tree.Push(e.Leaf)
	mine := e.Seq >= p.own
	var ev *schema.Event
	var err error
	if !e.Hole {
		ev, err = p.dec.event(e.Bytes, p.wanted)
	}
	if mine && !e.Hole && err != nil {
		p.session.row.Malformed++
	}
	superseded := ev != nil && p.scan.superseded(ev.Source)
	if mine && p.sink.Event != nil {
		if err := p.sink.Event(p.event(e, ev, err, superseded)); err != nil {
			return err
		}
	}
	if ev == nil {
		return nil
	}
	at := place{seq: e.Seq, time: micros(ev.Time), turn: nonzero(ev.Turn), step: nonzero(ev.Step), ev: ev, mine: mine}
	p.session.see(p, at)
	if ev.Data == nil || superseded {
		return nil
	}
	return p.say(at)
}

// place is an event and where it stands.
type place struct {
	seq        int64
	time       *int64
	turn, step *int64
	ev         *schema.Event
	mine       bool // it is the log's own, not its parent's
}

// say hands an event to the tables it concerns.
func (p *projection) say(at place) error {
	if at.mine && p.sink.Block != nil {
		if err := p.blocks(at); err != nil {
			return err
		}
	}
	if at.mine && p.sink.FileTouch != nil {
		if err := p.touches(at); err != nil {
			return err
		}
	}
	switch data := at.ev.Data.(type) {
	case *schema.ModelRequested:
		p.models.requested(p, at, data)
	case *schema.ModelOutput:
		p.models.output(p, at, data)
		return p.calls.output(p, at, data)
	case *schema.ModelFailed:
		p.models.failed(p, at, data)
	case *schema.PermissionRequested:
		p.calls.asked(p, at, data)
	case *schema.PermissionDecided:
		p.calls.decided(p, at, data)
	case *schema.ToolStarted:
		p.calls.started(p, at, data)
	case *schema.ToolResult:
		p.calls.result(p, at, data)
	case *schema.SessionLinked:
		p.calls.linked(p, at, data)
	case *schema.ContextCompacted:
		return p.compaction(at, data)
	}
	return nil
}

// end gives out the rows that could not be complete before.
func (p *projection) end(head format.Head) error {
	if err := p.models.end(p); err != nil {
		return err
	}
	if err := p.calls.end(p); err != nil {
		return err
	}
	if p.sink.Session == nil {
		return nil
	}
	return p.sink.Session(p.session.end(p, head))
}
