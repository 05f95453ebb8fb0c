package schema

import "testing"

func TestUsageAnomalies(t *testing.T) {
	say := func(step int64, u *Usage) *Event {
		return &Event{Time: "2026-11-23T01:00:00Z", Turn: 1, Step: step, Source: &Source{Vendor: "v", Line: 1}, Data: &ModelOutput{Usage: u}}
	}
	tests := []struct {
		name   string
		events []*Event
		want   int
	}{
		{"as ever", []*Event{say(1, &Usage{Input: Int(5), Output: Int(9), Reasoning: Int(9)})}, 0},
		{"said again by each piece", []*Event{say(1, &Usage{Input: Int(5), Output: Int(1)}), say(1, &Usage{Input: Int(5), Output: Int(9)})}, 0},
		{"less in the next response", []*Event{say(1, &Usage{Input: Int(5), Output: Int(9)}), say(2, &Usage{Input: Int(1), Output: Int(1)})}, 0},
		{"nothing", []*Event{say(1, new(Usage))}, 0},
		{"negative", []*Event{say(1, &Usage{CacheRead: Int(-1)})}, 1},
		{"enormous", []*Event{say(1, &Usage{Input: Int(1 << 40)})}, 1},
		{"more reasoning than output", []*Event{say(1, &Usage{Output: Int(3), Reasoning: Int(4)})}, 1},
		{"more for an hour than at all", []*Event{say(1, &Usage{CacheWrite: Int(3), CacheWrite1h: 4})}, 1},
		{"output that falls", []*Event{say(1, &Usage{Output: Int(9)}), say(1, &Usage{Output: Int(3)})}, 1},
		{"input that falls", []*Event{say(1, &Usage{Input: Int(9)}), say(1, &Usage{Input: Int(3)})}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := 0
			v := NewValidator(ValidatorOptions{Report: func(p Problem) {
				if p.Code == ProblemUsage {
					got++
				}
			}})
			for seq, ev := range tt.events {
				v.Event(int64(seq), ev, false)
			}
			if got != tt.want {
				t.Errorf("%d anomalies, want %d", got, tt.want)
			}
		})
	}
}
