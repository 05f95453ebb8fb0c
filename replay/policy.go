package replay

import (
	"context"
	"fmt"
	"path"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// Policy says which tool calls may run without a person being asked. It is
// safe for concurrent use.
type Policy interface {
	Decide(ctx context.Context, call PolicyCall) (Verdict, error)
}

// decidesAtOnce reports whether a policy asks nobody, so that what has happened
// may go into the log together with what follows from its verdict.
func decidesAtOnce(p Policy) bool {
	switch p.(type) {
	case DefaultPolicy, *Rules:
		return true
	}
	return false
}

// PolicyCall is a tool call to be judged.
type PolicyCall struct {
	Key    schema.CallKey
	Tool   string
	Args   jsontext.Value // a JSON object, nil if the model wrote something else
	Effect schema.Effect
}

// Verdict is what a policy says.
type Verdict struct {
	Action Action
	Reason string // shown to the person asked, or told to the model when denied
	// By says who decides, for the record: the log then says that permission
	// was asked for and given, or not, by this policy. Such a verdict answers
	// open prompts, too. Empty: nothing had to be decided.
	By string
}

// decides reports whether the verdict is a decision for the record.
func (v Verdict) decides() bool { return v.By != "" && (v.Action == Allow || v.Action == Deny) }

// Action is what becomes of a call.
type Action string

// The actions.
const (
	Allow Action = "allow"
	Ask   Action = "ask"
	Deny  Action = "deny"
)

// How long a decision holds, the scope of a permission.decided.
const (
	ScopeOnce    = "once"    // for this call
	ScopeSession = "session" // for every later call of the same tool, too
)

// DefaultPolicy allows what changes nothing and asks for everything else.
type DefaultPolicy struct{}

// Decide implements [Policy].
func (DefaultPolicy) Decide(_ context.Context, call PolicyCall) (Verdict, error) {
	if call.Effect == schema.EffectReadonly {
		return Verdict{Action: Allow, Reason: "it changes nothing"}, nil
	}
	return Verdict{Action: Ask, Reason: fmt.Sprintf("the tool %s is %s", call.Tool, call.Effect)}, nil
}

// ByPolicy is who decides where a rule of [Rules] does.
const ByPolicy = "policy"

// Rules is a policy made of rules; the first that fits decides. Where none
// fits, [DefaultPolicy] does. A policy file is its JSON.
type Rules struct {
	Rules []Rule `json:"rules"`
}

// Rule decides about the calls that fit all of its conditions. Patterns are
// those of [path.Match].
type Rule struct {
	Tool   string        `json:"tool,omitzero"`   // pattern of the tool's name
	Effect schema.Effect `json:"effect,omitzero"` // the tool's effect class
	// Arg and Value: the string argument of that name fits the pattern.
	Arg    string `json:"arg,omitzero"`
	Value  string `json:"value,omitzero"`
	Action Action `json:"action"`
	Reason string `json:"reason,omitzero"`
}

// ParseRules reads a policy file and refuses unknown members, actions and bad
// patterns: a rule that is not understood must not be passed over.
func ParseRules(b []byte) (*Rules, error) {
	r := new(Rules)
	if err := json.Unmarshal(b, r, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	for i, rule := range r.Rules {
		switch rule.Action {
		case Allow, Ask, Deny:
		default:
			return nil, fmt.Errorf("policy: rule %d: action %q, want allow, ask or deny", i, rule.Action)
		}
		for _, pattern := range []string{rule.Tool, rule.Value} {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, fmt.Errorf("policy: rule %d: pattern %q: %w", i, pattern, err)
			}
		}
		if rule.Value != "" && rule.Arg == "" {
			return nil, fmt.Errorf("policy: rule %d: a value without arg", i)
		}
	}
	return r, nil
}

// Decide implements [Policy].
func (r *Rules) Decide(ctx context.Context, call PolicyCall) (Verdict, error) {
	for _, rule := range r.Rules {
		if rule.fits(call) {
			return Verdict{Action: rule.Action, Reason: rule.Reason, By: ByPolicy}, nil
		}
	}
	return DefaultPolicy{}.Decide(ctx, call)
}

func (r *Rule) fits(call PolicyCall) bool {
	if r.Tool != "" {
		if ok, _ := path.Match(r.Tool, call.Tool); !ok {
			return false
		}
	}
	if r.Effect != "" && r.Effect != call.Effect {
		return false
	}
	if r.Arg == "" {
		return true
	}
	var args map[string]jsontext.Value
	if json.Unmarshal(call.Args, &args) != nil {
		return false
	}
	var value string
	if json.Unmarshal(args[r.Arg], &value) != nil {
		return false
	}
	ok, _ := path.Match(r.Value, value)
	return ok
}
