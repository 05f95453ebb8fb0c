package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// toolCalls gathers the rows of tool_calls: decision, start and results of a
// call may stand anywhere behind it.
type toolCalls struct {
	rows      []*toolCall
	byKey     map[schema.CallKey]*toolCall
	arguments argumentStore

	total, failures int64
}

type toolCall struct {
	row    ToolCall
	mine   bool // something of it stands in this log, not in its parent
	native bool
	// claimed: a block with the call was seen; a second one says nothing.
	claimed bool
	args    argument
	raw     argument
	hasArg  bool
	hasRaw  bool
	// outcome is the status of results without content.
	outcome schema.Status
	stated  *int64 // duration
}

func (t *toolCalls) begin() { t.byKey = make(map[schema.CallKey]*toolCall) }

// call returns the row of a key, making one for what the log does not know as a
// call: work nested in one.
func (t *toolCalls) call(p *projection, at place, key schema.CallKey) *toolCall {
	c := t.byKey[key]
	if c == nil {
		c = &toolCall{row: p.key.toolCallRow(at.seq), native: at.ev.Source == nil}
		c.row.CallKey = string(key)
		c.row.Turn, c.row.Step = at.turn, at.step
		c.row.Nested = strings.Contains(string(key), ".")
		c.row.Inherited = !at.mine
		t.byKey[key] = c
		t.rows = append(t.rows, c)
	}
	c.mine = c.mine || at.mine
	return c
}

func (t *toolCalls) output(p *projection, at place, data *schema.ModelOutput) error {
	for i := range data.Blocks {
		b := &data.Blocks[i]
		if b.Type != schema.BlockToolCall || b.CallKey == "" {
			continue
		}
		c := t.call(p, at, b.CallKey)
		if c.claimed {
			continue
		}
		c.claimed = true
		row := &c.row
		row.VendorID = last(row.VendorID, some(b.VendorID))
		row.Tool, row.Namespace = p.names.ptr(b.Name), p.names.ptr(b.Namespace)
		row.Kind = p.names.ptr(string(b.Kind))
		row.Requested = last(row.Requested, at.time)
		if err := t.keep(p, c, b); err != nil {
			return err
		}
	}
	return nil
}

// keep puts the arguments aside.
func (t *toolCalls) keep(p *projection, c *toolCall, b *schema.Block) (err error) {
	c.row.ArgumentsBytes, c.row.ArgumentsDigest = argumentsSize(b)
	if b.ArgsRaw.Blob != nil {
		return nil
	}
	if p.opts.NoText || p.sink.ToolCall == nil {
		return nil
	}
	if b.Args != nil {
		c.hasArg = true
		c.args, err = t.arguments.put(b.Args)
	} else if b.ArgsRaw.Set {
		c.hasRaw = true
		c.raw, err = t.arguments.put([]byte(b.ArgsRaw.Inline))
	}
	return err
}

// argumentsSize returns the bytes of a call's arguments and the blob they are
// in, if they are.
func argumentsSize(b *schema.Block) (size *int64, digest *string) {
	switch {
	case b.ArgsRaw.Blob != nil:
		return ptr(b.ArgsRaw.Blob.Size), some(b.ArgsRaw.Blob.Digest)
	case b.ArgsRaw.Set:
		return ptr(int64(len(b.ArgsRaw.Inline))), nil
	case b.Args != nil:
		return ptr(int64(len(b.Args))), blobOf(b.Args)
	}
	return nil, nil
}

// blobOf returns the digest if JSON is a reference to a blob.
func blobOf(v jsontext.Value) *string {
	const start = `{"blob":"sha256:`
	if !strings.HasPrefix(string(v[:min(len(v), len(start))]), start) {
		return nil
	}
	rest := string(v[len(`{"blob":"`):])
	digest, _, _ := strings.Cut(rest, `"`)
	return &digest
}

func (t *toolCalls) asked(p *projection, at place, data *schema.PermissionRequested) {
	c := t.call(p, at, data.CallKey)
	c.row.PermRequested = at.time
	c.row.Decided, c.row.Decision, c.row.DecidedBy = nil, nil, nil
	c.row.Tool = last(p.names.ptr(data.Tool), c.row.Tool)
	if c.row.Status == "" {
		c.row.Status = "waiting"
	}
}

func (t *toolCalls) decided(p *projection, at place, data *schema.PermissionDecided) {
	c := t.call(p, at, data.CallKey)
	c.row.Decided = at.time
	c.row.Decision, c.row.DecidedBy = p.names.ptr(string(data.Decision)), p.names.ptr(data.By)
	if c.row.Status == "waiting" {
		c.row.Status = ""
	}
}

func (t *toolCalls) started(p *projection, at place, data *schema.ToolStarted) {
	c := t.call(p, at, data.CallKey)
	c.row.Started = last(c.row.Started, at.time)
	c.row.Attempts = max(c.row.Attempts+1, data.Attempt)
}

func (t *toolCalls) result(p *projection, at place, data *schema.ToolResult) {
	c := t.call(p, at, data.CallKey)
	row := &c.row
	row.VendorID = last(row.VendorID, some(data.VendorID))
	row.ExitCode = last(row.ExitCode, data.ExitCode)
	c.stated = last(c.stated, data.DurationUS)
	row.Nested = row.Nested || data.Nested
	if data.Content == nil {
		c.outcome = data.Status
		if !row.Answered {
			row.Finished, row.ResultSeq = at.time, ptr(at.seq)
		}
		return
	}
	row.Answered = true
	row.Status = string(data.Status)
	row.Finished, row.ResultSeq = at.time, ptr(at.seq)
	bytes, digest := contentDigest(data.Content)
	row.OutputBytes, row.OutputDigest = &bytes, &digest
}

// contentDigest sums up the texts and blobs of an answer.
func contentDigest(parts []schema.Part) (size int64, digest string) {
	h := sha256.New()
	for i := range parts {
		part := &parts[i]
		for _, blob := range []*schema.Blob{part.Text.Blob, part.Blob} {
			if blob != nil {
				size += blob.Size
				_, _ = io.WriteString(h, blob.Digest)
			}
		}
		size += int64(len(part.Text.Inline))
		_, _ = io.WriteString(h, part.Text.Inline)
	}
	return size, hex.EncodeToString(h.Sum(nil))
}

func (t *toolCalls) linked(p *projection, at place, data *schema.SessionLinked) {
	if data.CallKey == "" || data.Child == "" {
		return
	}
	c := t.call(p, at, data.CallKey)
	c.row.ChildSessionID = some(data.Child)
}

func (t *toolCalls) end(p *projection) error {
	slices.SortStableFunc(t.rows, func(a, b *toolCall) int { return int(a.row.Seq - b.row.Seq) })
	for _, c := range t.rows {
		if !c.mine {
			continue
		}
		c.finish()
		if !c.row.Inherited {
			t.total++
			switch schema.Status(c.row.Status) {
			case schema.StatusError, schema.StatusDenied, schema.StatusCancelled, schema.StatusTimeout:
				t.failures++
			}
		}
		if p.sink.ToolCall == nil {
			continue
		}
		if err := t.restore(c); err != nil {
			return err
		}
		if err := p.sink.ToolCall(&c.row); err != nil {
			return err
		}
		c.row = ToolCall{}
	}
	return nil
}

func (t *toolCalls) restore(c *toolCall) error {
	if c.hasArg {
		s, err := t.arguments.get(c.args)
		if err != nil {
			return err
		}
		c.row.Arguments = &s
	}
	if c.hasRaw {
		s, err := t.arguments.get(c.raw)
		if err != nil {
			return err
		}
		c.row.ArgumentsRaw = &s
	}
	return nil
}

func (c *toolCall) finish() {
	row := &c.row
	row.PermissionWait = between(row.PermRequested, row.Decided)
	row.DurationUS = c.stated
	if row.DurationUS == nil {
		row.DurationUS = between(row.Started, row.Finished)
	}
	if c.outcome != "" && (!row.Answered || row.Status == string(schema.StatusOK)) {
		row.Status = string(c.outcome)
	}
	if row.Status != "" {
		return
	}
	switch {
	case row.Decision != nil && *row.Decision == string(schema.DecisionDeny):
		row.Status = string(schema.StatusDenied)
	case row.Kind != nil && *row.Kind == string(schema.CallServer):
		row.Status = string(schema.StatusUnknown)
	case c.native && row.Started == nil && row.Attempts == 0:
		row.Status = "not_started"
	default:
		row.Status = "orphaned"
	}
}
