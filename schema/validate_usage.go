package schema

// maxTokens is more than any response has of any kind of token.
const maxTokens = 1 << 30

// countedResponse is the response whose usage was said last.
type countedResponse struct {
	turn, step int64
	usage      Usage
}

// usage checks counts of tokens. Pieces of one response say them again, and they
// only grow; a row that changed may say anything anew.
func (v *Validator) usage(seq int64, ev *Event, u *Usage) {
	count := func(n *int64) int64 {
		if n == nil {
			return 0
		}
		return *n
	}
	for _, c := range []struct {
		name string
		n    int64
	}{
		{"input", count(u.Input)}, {"cache_read", count(u.CacheRead)}, {"cache_write", count(u.CacheWrite)},
		{"cache_write_1h", u.CacheWrite1h}, {"output", count(u.Output)}, {"reasoning", count(u.Reasoning)},
	} {
		if c.n < 0 || c.n > maxTokens {
			v.problem(seq, ProblemUsage, LevelWarning, "%d tokens of %s in one response", c.n, c.name)
		}
	}
	if u.Reasoning != nil && u.Output != nil && *u.Reasoning > *u.Output {
		v.problem(seq, ProblemUsage, LevelWarning, "%d tokens of reasoning in %d of output", *u.Reasoning, *u.Output)
	}
	if u.CacheWrite != nil && u.CacheWrite1h > *u.CacheWrite {
		v.problem(seq, ProblemUsage, LevelWarning, "%d tokens kept for an hour, of %d written to the cache", u.CacheWrite1h, *u.CacheWrite)
	}
	now := countedResponse{ev.Turn, ev.Step, *u}
	if ev.Source != nil && ev.Source.Rev == 0 && v.last.turn == now.turn && v.last.step == now.step && ev.Step > 0 {
		if before := count(v.last.usage.Output); count(u.Output) < before {
			v.problem(seq, ProblemUsage, LevelWarning, "%d tokens of output, %d before in the same response", count(u.Output), before)
		}
		if before := count(v.last.usage.Input); count(u.Input) < before {
			v.problem(seq, ProblemUsage, LevelWarning, "%d tokens of input, %d before in the same response", count(u.Input), before)
		}
	}
	v.last = now
}
