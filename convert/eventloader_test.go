package convert

import (
	"context"
	"testing"

	"github.com/ownlog/ownlog/schema"
)

// TestEventLoader loads entries forward, backward and far away.
func TestEventLoader(t *testing.T) {
	m := newTestMirror()
	var content string
	for range 300 {
		content += "{\"a\":1}\n"
	}
	out := mirrorString(t, m, content)
	l := NewEventLoader(context.Background(), m.Store(), out.Log)
	defer l.Close()
	for _, seq := range []int64{0, 1, 40, 2, 299, 150, 150} {
		ev, err := l.Load(seq)
		if err != nil {
			t.Fatal(err)
		}
		var want *schema.Event
		err = WalkEvents(context.Background(), m.Store(), out.Log, seq, seq+1, func(e LogEvent) error {
			want = e.Event
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if ev.Source.Line != want.Source.Line || ev.Source.Part != want.Source.Part {
			t.Errorf("entry %d: got line %d, want line %d", seq, ev.Source.Line, want.Source.Line)
		}
	}
	if _, err := l.Load(out.Head.Size); err == nil {
		t.Error("an entry behind the end was loaded")
	}
}
