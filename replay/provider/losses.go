package provider

import (
	"github.com/ownlog/ownlog/schema"
)

// The codes of what a projection may lose or change. They are stable.
const (
	LossForeignReasoning  = "foreign-reasoning"   // another provider's, api's or model's: dropped
	LossUnsealedReasoning = "unsealed-reasoning"  // the provider takes only what it has sealed: dropped
	LossStaleSeal         = "stale-seal"          // sealed over a history that has been compacted since: dropped
	LossServerCall        = "server-call"         // a call that another provider ran itself: dropped
	LossOpaque            = "opaque"              // content without a neutral form: dropped
	LossSyntheticResult   = "synthetic-result"    // a call without an answer: told as such
	LossOrphanResult      = "orphan-result"       // a result whose call is not in the view: told as text
	LossRenamedCall       = "renamed-call-id"     // the id is not one the API takes, or repeats
	LossRenamedTool       = "renamed-tool"        // the name is not one the API takes
	LossWrappedArguments  = "wrapped-arguments"   // arguments that are no object, put into one
	LossUndeclaredTool    = "undeclared-tool"     // used in the history, not in the definition: declared as gone
	LossMissingContent    = "missing-content"     // content that the store does not hold
	LossFile              = "file"                // a file the API does not take: named only
	LossImage             = "image"               // an image the API does not take there: named only
	LossMovedImage        = "moved-image"         // an image of a result, moved behind the results
	LossSystemAsUser      = "system-as-user"      // injected context with a role the API does not have
	LossPhase             = "phase"               // which phase a text belongs to
	LossCitations         = "citations"           // citations of a text
	LossRefusal           = "refusal-as-text"     // a refusal, told as text
	LossToolDeclaration   = "tool-declaration"    // a tool only its own vendor can declare
	LossSentinelSignature = "signature-sentinel"  // a signature was due and is not to be had
	LossErrorFlag         = "error-flag-as-text"  // that a result is an error is said in its text
	LossInvented          = "invented-user-text"  // a text put in because the API wants one there
	LossFreeForm          = "free-form-as-object" // a free-form call, put into an object
)

// maxLossSeqs bounds how many entries a loss names.
const maxLossSeqs = 16

// Losses counts what a projection loses. The zero Losses is empty.
type Losses struct {
	list  []schema.Loss
	index map[string]int
}

// Add counts one loss of a kind at an entry.
func (l *Losses) Add(code string, seq int64) {
	i, ok := l.index[code]
	if !ok {
		if l.index == nil {
			l.index = make(map[string]int)
		}
		i = len(l.list)
		l.index[code] = i
		l.list = append(l.list, schema.Loss{Code: code})
	}
	loss := &l.list[i]
	loss.Count++
	if n := len(loss.Seqs); n < maxLossSeqs && (n == 0 || loss.Seqs[n-1] != seq) {
		loss.Seqs = append(loss.Seqs, seq)
	}
}

// List returns the losses in the order they first occurred.
func (l *Losses) List() []schema.Loss { return l.list }

// CountText counts what a block says and its plain text does not: that it is a
// refusal, its citations, and its phase unless the API takes that.
func (l *Losses) CountText(b *ModelBlock, seq int64, phase bool) {
	if b.Type == schema.BlockRefusal {
		l.Add(LossRefusal, seq)
	}
	if b.Phase != "" && !phase {
		l.Add(LossPhase, seq)
	}
	if len(b.Citations) > 0 {
		l.Add(LossCitations, seq)
	}
}

// CountReasoning counts a block of reasoning that cannot be sent.
func (l *Losses) CountReasoning(b *ModelBlock, seq int64) {
	if b.Seal == nil {
		l.Add(LossUnsealedReasoning, seq)
	} else {
		l.Add(LossForeignReasoning, seq)
	}
}

// join returns these losses and then those of another.
func (l *Losses) join(with *Losses) *Losses {
	out := new(Losses)
	for _, from := range []*Losses{l, with} {
		for _, loss := range from.list {
			i, ok := out.index[loss.Code]
			if !ok {
				if out.index == nil {
					out.index = make(map[string]int)
				}
				i = len(out.list)
				out.index[loss.Code] = i
				out.list = append(out.list, schema.Loss{Code: loss.Code})
			}
			have := &out.list[i]
			have.Count += loss.Count
			for _, seq := range loss.Seqs {
				if n := len(have.Seqs); n < maxLossSeqs && (n == 0 || have.Seqs[n-1] != seq) {
					have.Seqs = append(have.Seqs, seq)
				}
			}
		}
	}
	return out
}
