package schema

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzDecode: whatever decodes encodes to a fixed point, which checks.
func FuzzDecode(f *testing.F) {
	for _, norm := range goldenEvents(f) {
		f.Add(norm)
	}
	f.Add([]byte(`{"v":1,"type":"x.y","actor":{"kind":"user"},"data":{"b":1,"a":[1.0,"\ud800"]}}`))
	f.Fuzz(func(t *testing.T, norm []byte) {
		ev, err := Decode(norm)
		if err != nil {
			return
		}
		once, err := Encode(nil, ev)
		if err != nil {
			t.Fatalf("decoded, but does not encode: %v", err)
		}
		back, err := Decode(once)
		if err != nil {
			t.Fatalf("encoded, but does not decode: %v\n%s", err, once)
		}
		twice, err := Encode(nil, back)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("no fixed point: %v\n%s\n%s", err, once, twice)
		}
	})
}

// FuzzFold: no sequence of entries breaks the fold or the view, and revisions
// fold as their last state.
func FuzzFold(f *testing.F) {
	for _, norm := range goldenEvents(f) {
		f.Add(bytes.Repeat(append(norm, '\n'), 2))
	}
	f.Add(bytes.Join(goldenEvents(f), []byte("\n")))
	f.Fuzz(func(t *testing.T, log []byte) {
		var s State
		var events []*Event
		for line := range bytes.Lines(log) {
			ev, err := Decode(bytes.TrimSpace(line))
			seq := int64(len(events))
			events = append(events, ev)
			if err != nil {
				s.ApplyHole(seq)
				continue
			}
			s.Apply(seq, ev)
		}
		for _, options := range [][]ViewOption{nil, {Uncompacted()}} {
			for m, err := range s.View(LoadFrom(events), options...) {
				if err != nil {
					t.Fatal(err)
				}
				if m.Role == RoleTool && m.Result == nil {
					t.Fatal("a tool's message without a result")
				}
			}
		}
		s.TurnState()
		s.NeedsModel()
		s.Usage()
		s.Findings()
	})
}

// benchmarkEvents are events as importers make them most.
func benchmarkEvents() []*Event {
	prose := strings.Repeat("A line of prose with \"quotes\" and a tab\tand an é.\n", 20)
	source := func(line, part int64) *Source { return &Source{Vendor: "claude-code", Line: line, Part: part} }
	answer := modelSays(3, 2, Block{Type: BlockReasoning, Text: String(prose), Seal: &Seal{Provider: "anthropic", API: "messages", Model: "claude", Kind: SealSignature, Item: []byte(`{"type":"thinking","thinking":"x","signature":"` + strings.Repeat("AbCd", 100) + `"}`)}}, text(prose))
	call := modelSays(3, 2, Block{Type: BlockToolCall, Index: Int(0), CallKey: "3/2/0", VendorID: "toolu_01", Name: "Bash", Kind: CallFunction, Args: []byte(`{"command":"go test ./...","description":"run the tests"}`)})
	output := result(3, 2, "3/2/0", strings.Repeat(prose, 2))
	events := []*Event{userSays(3, prose), answer, call, output}
	for i, ev := range events {
		ev.Time, ev.Actor, ev.Source = "2026-11-23T01:35:51.262Z", Actor{Kind: ActorModel}, source(int64(i), 0)
		ev.ID, ev.Parent = "afcb7bcc-0000-4000-8000-000000000000", Parent{Known: true, ID: "8143d043-0000-4000-8000-000000000000"}
	}
	return events
}

func BenchmarkEncode(b *testing.B) {
	events := benchmarkEvents()
	var buf []byte
	size := 0
	for _, ev := range events {
		out, err := Encode(nil, ev)
		if err != nil {
			b.Fatal(err)
		}
		size += len(out)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, ev := range events {
			out, err := Encode(buf[:0], ev)
			if err != nil {
				b.Fatal(err)
			}
			buf = out
		}
	}
}

func benchmarkEach(b *testing.B, do func(seq int64, norm []byte)) {
	var all [][]byte
	size := 0
	for _, ev := range benchmarkEvents() {
		norm, err := Encode(nil, ev)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, norm)
		size += len(norm)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for i, norm := range all {
			do(int64(i), norm)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	benchmarkEach(b, func(_ int64, norm []byte) {
		if _, err := Decode(norm); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	c := NewChecker()
	benchmarkEach(b, func(seq int64, norm []byte) { c.Check(seq, norm, func(p Problem) { b.Error(p) }) })
}

func BenchmarkSchemas(b *testing.B) {
	s, err := NewSchemas()
	if err != nil {
		b.Fatal(err)
	}
	benchmarkEach(b, func(seq int64, norm []byte) { s.Validate(seq, norm, func(p Problem) { b.Error(p) }) })
}

// BenchmarkFoldAndView folds a session of 3,000 entries and reads its view.
func BenchmarkFoldAndView(b *testing.B) {
	var norms [][]byte
	size := 0
	for i := range int64(3000) {
		ev := benchmarkEvents()[i%4]
		ev.Turn, ev.Step, ev.ID, ev.Parent = i/4+1, 0, "", Parent{}
		if ev.Type == TypeModelOutput {
			ev.Step = 1
		}
		switch d := ev.Data.(type) {
		case *ModelOutput:
			if c := &d.Blocks[0]; c.Type == BlockToolCall {
				c.CallKey = NewCallKey(ev.Turn, 1, 0)
			}
		case *ToolResult:
			d.CallKey = NewCallKey(ev.Turn, 1, 0)
		}
		norm, err := Encode(nil, ev)
		if err != nil {
			b.Fatal(err)
		}
		norms = append(norms, norm)
		size += len(norm)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		var s State
		events := make([]*Event, len(norms))
		for i, norm := range norms {
			ev, err := Decode(norm)
			if err != nil {
				b.Fatal(err)
			}
			events[i] = ev
			s.Apply(int64(i), ev)
		}
		messages := 0
		for _, err := range s.View(LoadFrom(events)) {
			if err != nil {
				b.Fatal(err)
			}
			messages++
		}
		if messages != 3000*3/4 {
			b.Fatalf("%d messages", messages)
		}
	}
}
