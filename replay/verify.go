package replay

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// Projector returns a provider that projects as the one of that name and api
// did; ok is false if there is none. It is not asked to send.
type Projector func(name, api string) (p provider.Provider, ok bool)

// RequestCheck is what became of one recorded request.
type RequestCheck struct {
	Seq      int64 // of the model.requested
	Turn     int64
	Step     int64
	Attempt  int64
	Provider string
	API      string
	Model    string
	Want     string // the recorded digest
	Got      string // of the projection now
	Status   CheckStatus
	Reason   string // why it was not checked
}

// CheckStatus is the outcome of a check.
type CheckStatus string

// The outcomes.
const (
	CheckEqual     CheckStatus = "equal"
	CheckDifferent CheckStatus = "different"
	CheckSkipped   CheckStatus = "skipped" // other rules of projection, or no digest
)

// VerifyRequests projects every request of the first size entries of a log, all
// if size < 0, again from what stood before it, and compares the digest of the
// bytes with the recorded one. No model is asked. Requests that were made under
// other rules, or by another tool, are skipped.
func VerifyRequests(ctx context.Context, store format.Store, log format.LogID, size int64, projector Projector) ([]RequestCheck, error) {
	var checks []RequestCheck
	s := &session{store: store, log: log, clock: SystemClock{}, ids: RandomIDs{}, progress: newProgress(), state: newConversation()}
	d := &definitions{store: store}
	err := eachEvent(ctx, store, log, size, func(seq int64, ev *schema.Event) error {
		if ev == nil {
			s.progress.skip(seq)
			s.state.skip(seq)
			return nil
		}
		if asked, ok := ev.Data.(*schema.ModelRequested); ok && ev.Source == nil {
			check, err := verifyOne(ctx, s, d, seq, ev, asked, projector)
			if err != nil {
				return err
			}
			checks = append(checks, check)
		}
		s.fold(seq, ev)
		return nil
	})
	return checks, err
}

func verifyOne(ctx context.Context, s *session, d *definitions, seq int64, ev *schema.Event, asked *schema.ModelRequested, projector Projector) (RequestCheck, error) {
	check := RequestCheck{
		Seq: seq, Turn: ev.Turn, Step: ev.Step, Attempt: asked.Attempt, Provider: asked.Provider, API: asked.API,
		Model: asked.Model, Want: asked.RequestSHA256, Status: CheckSkipped,
	}
	rules, uncompacted := strings.CutSuffix(asked.Projection, uncompactedRules)
	p, ok := projector(asked.Provider, asked.API)
	switch {
	case isRun(s.state):
		check.Reason = "made from the history of log " + s.state.state.Info().Link.Session
		return check, nil
	case asked.RequestSHA256 == "":
		check.Reason = "no digest was recorded"
		return check, nil
	case !ok:
		check.Reason = "no provider of that name and api"
		return check, nil
	case p.Describe().Projection != rules:
		check.Reason = fmt.Sprintf("made by the rules %s; these are %s", asked.Projection, p.Describe().Projection)
		return check, nil
	}
	def, _, err := d.current(ctx, s.state)
	if err != nil {
		return check, err
	}
	view, err := s.state.view(viewOptions(uncompacted)...)
	if err != nil {
		return check, err
	}
	req, err := p.Project(ctx, &provider.View{
		Definition: def, Messages: asSent(view, s.progress.sent), Model: asked.Model, Blobs: s.store,
	})
	if err != nil {
		return check, fmt.Errorf("log %s, entry %d: project: %w", s.log, seq, err)
	}
	check.Got, check.Status = req.SHA256(), CheckEqual
	if check.Got != check.Want {
		check.Status = CheckDifferent
	}
	return check, nil
}

// eachEvent gives the first size entries of a log, all if size < 0, to visit;
// holes as nil.
func eachEvent(ctx context.Context, store format.Store, log format.LogID, size int64, visit func(seq int64, ev *schema.Event) error) error {
	var norm []byte
	for e, err := range store.Read(ctx, log, 0) {
		if err != nil {
			return err
		}
		if size >= 0 && e.Seq >= size {
			return nil
		}
		var ev *schema.Event
		if !e.Hole {
			if norm, _, err = format.CutRaw(norm, e.Bytes); err == nil {
				ev, err = schema.Decode(norm)
			}
			if err != nil {
				return fmt.Errorf("log %s, entry %d: %w", log, e.Seq, err)
			}
		}
		if err := visit(e.Seq, ev); err != nil {
			return err
		}
	}
	return nil
}

// ProjectNow makes the request that an executor with that provider would send
// next, from the log as it stands, and sends nothing. It works on mirrors too.
// Tools and system prompt are those of the log, or of [DefaultDefinition]; params
// are as in [Executor]. Uncompacted takes the history as if it had never been
// compacted.
func ProjectNow(ctx context.Context, store format.Store, log format.LogID, p provider.Provider, model string, params jsontext.Value, uncompacted bool) (*provider.Request, error) {
	s, err := openSession(ctx, store, log, SystemClock{}, RandomIDs{})
	if err != nil {
		return nil, err
	}
	def, known, err := (&definitions{store: store}).current(ctx, s.state)
	if err != nil {
		return nil, err
	}
	fallback := DefaultDefinition(s.state.state.Info().Vendor)
	if !known {
		def = fallback
	}
	if len(def.Tools) == 0 {
		def.Tools = fallback.Tools
	}
	if m := def.Model; m != nil && m.Provider != p.Describe().Provider {
		def.Model = nil // its parameters are another provider's
	}
	if params != nil {
		def.Model = &schema.Model{Params: params}
	}
	view, err := s.state.view(viewOptions(uncompacted)...)
	if err != nil {
		return nil, err
	}
	return p.Project(ctx, &provider.View{Definition: def, Messages: asSent(view, s.progress.sent), Model: model, Blobs: store})
}
