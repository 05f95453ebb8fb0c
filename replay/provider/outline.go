package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// ErrEmpty: there is nothing in the view to ask a model about.
var ErrEmpty = errors.New("the session has no message to answer")

// Dialect is what the APIs differ in when a history is made fit for them.
type Dialect struct {
	Provider string
	API      string
	// CallID reports whether the API takes a vendor's call id.
	CallID func(id string) bool
	// NewCallID makes an id the API takes from a call key. Salt tells ids of
	// one key apart; 0 comes first.
	NewCallID func(key schema.CallKey, salt int) string
	// ObjectCalls: arguments must be a JSON object.
	ObjectCalls bool
}

// Outline is a view made fit for any API: every call is answered directly
// behind its response, ids are unique and names legal, blobs are read, what no
// API takes is gone and counted. It is prefix-stable: the units of a history are
// the first of those of the longer history.
type Outline struct {
	System []string
	Tools  []ToolDeclaration
	// Units are those of the messages that were taken in last.
	Units  []Unit
	Losses Losses
	// Names maps tool names on the wire to those of the log, where they differ.
	Names map[string]string
	// Size is about how many bytes a body made of it takes.
	Size int
}

// ToolDeclaration is a tool under its name on the wire.
type ToolDeclaration struct {
	Name        string
	Description string
	Schema      jsontext.Value // a JSON Schema of type object
	Own         *schema.ToolDefinition
	Gone        bool // used in the history, no longer there
}

// Unit is one message: of a user, of injected context, of a model, or the
// results of all calls of the response before it.
type Unit struct {
	Kind    UnitKind
	Seq     int64
	Role    schema.Role // of injected context
	Content []Content   // of users and injected context
	Blocks  []ModelBlock
	Results []CallResult
	// Message is the message the unit was made from; nil for invented ones.
	Message *schema.Message
}

// UnitKind says whose a [Unit] is.
type UnitKind int

// The kinds of units.
const (
	UnitUser UnitKind = iota
	UnitInjected
	UnitModel
	UnitResults
)

// Content is a piece of a message with its bytes.
type Content struct {
	Type  schema.PartType // text, image or file
	Text  string
	Media string
	Name  string
	Bytes []byte
	URI   string
	// Detail: see schema.Part.
	Detail string
}

// ModelBlock is a block of a response.
type ModelBlock struct {
	*schema.Block
	// Words is the text of texts, refusals and reasoning.
	Words string
	// Sealed is the provider's own form of the block, if it is this provider's
	// and still holds. It goes back byte for byte.
	Sealed jsontext.Value
	// Call is set for tool calls.
	Call *OutlineCall
}

// OutlineCall is a tool call with its name and id on the wire.
type OutlineCall struct {
	Key    schema.CallKey
	ID     string
	Name   string
	Object jsontext.Value // the arguments as a JSON object
	Text   string         // the arguments as the model wrote them
	Custom bool           // free-form input
	Gone   bool           // no such tool is declared in the definition
	// Renamed: ID is not the vendor's own.
	Renamed bool
}

// CallResult is the answer to a call.
type CallResult struct {
	Call   *OutlineCall
	Seq    int64
	Status schema.Status
	Text   string // never empty
	Images []Content
	Error  bool // the call did not do what it was to do
}

// outliner makes an [Outline], message by message.
type outliner struct {
	ctx     context.Context
	view    *View
	dialect Dialect
	out     *Outline

	ids      map[string]bool // call ids taken
	calls    map[schema.CallKey]*OutlineCall
	results  map[schema.CallKey]*schema.Message // of the messages being taken in
	orphans  map[schema.CallKey]bool            // calls that only a result spoke of
	declared map[string]bool                    // by wire name
	summary  int64                              // seq of the newest compaction before the message
}

func newOutliner(view *View, dialect Dialect) *outliner {
	b := &outliner{
		view: view, dialect: dialect, out: &Outline{System: view.Definition.System},
		ids: make(map[string]bool), calls: make(map[schema.CallKey]*OutlineCall), orphans: make(map[schema.CallKey]bool),
		results: make(map[schema.CallKey]*schema.Message), declared: make(map[string]bool),
	}
	b.declare()
	return b
}

// take makes units of the messages of a view from the n-th on. It reports false
// if one of them changes what was made of those before: the outline must be
// begun again. It fails only if ctx ends.
func (b *outliner) take(ctx context.Context, view *View, n int) (ok bool, err error) {
	b.ctx, b.view = ctx, view
	messages := view.Messages[n:]
	if n > 0 && b.conflicts(messages) {
		return false, nil
	}
	b.out.Units = make([]Unit, 0, len(messages))
	clear(b.results)
	b.indexResults(messages)
	for i := range messages {
		if err := ctx.Err(); err != nil {
			return false, context.Cause(ctx)
		}
		b.message(&messages[i])
	}
	return true, nil
}

// conflicts reports whether messages answer a call that was told of before, or
// make one that a result spoke of before.
func (b *outliner) conflicts(messages []schema.Message) bool {
	for i := range messages {
		m := &messages[i]
		if m.Result != nil && (b.calls[m.Result.CallKey] != nil || b.orphans[m.Result.CallKey]) {
			return true
		}
		for j := range m.Blocks {
			if len(b.orphans) > 0 && b.orphans[m.Blocks[j].CallKey] {
				return true
			}
		}
	}
	return false
}

// indexResults finds the answer of each call: the last one with content.
func (b *outliner) indexResults(messages []schema.Message) {
	for i := range messages {
		m := &messages[i]
		if m.Result == nil {
			continue
		}
		if have := b.results[m.Result.CallKey]; have == nil || m.Result.Content != nil {
			b.results[m.Result.CallKey] = m
		}
	}
}

func (b *outliner) message(m *schema.Message) {
	if m.Summary {
		b.summary = max(b.summary, m.Seq)
	}
	switch {
	case m.Result != nil:
		b.orphan(m)
	case m.Role == schema.RoleModel:
		b.model(m)
	default:
		b.content(m)
	}
}

// content adds a user's message or injected context.
func (b *outliner) content(m *schema.Message) {
	u := Unit{Kind: UnitUser, Seq: m.Seq, Role: m.Role, Message: m}
	if m.Injected && m.Role != schema.RoleUser || m.Role == schema.RoleSystem || m.Role == schema.RoleDeveloper {
		u.Kind = UnitInjected
	}
	if len(m.Rendered) > 0 {
		for _, t := range m.Rendered {
			u.Content = append(u.Content, Content{Type: schema.PartText, Text: b.words(t, m.Seq)})
		}
	} else {
		u.Content = b.parts(m.Content, m.Seq)
	}
	u.Content = withoutBlank(u.Content)
	if len(u.Content) > 0 {
		b.out.Units = append(b.out.Units, u)
	}
}

// model adds a response and the results of its calls.
func (b *outliner) model(m *schema.Message) {
	u := Unit{Kind: UnitModel, Seq: m.Seq, Message: m}
	results := Unit{Kind: UnitResults, Seq: m.Seq}
	for i := range m.Blocks {
		block := &m.Blocks[i]
		b.out.Size += 256 + len(block.Args)
		mb := ModelBlock{Block: block, Sealed: b.seal(block.Seal, m)}
		switch block.Type {
		case schema.BlockToolCall:
			if block.Kind == schema.CallServer {
				if mb.Sealed == nil {
					b.out.Losses.Add(LossServerCall, m.Seq)
					continue
				}
				break
			}
			mb.Call = b.call(block, m)
			results.Results = append(results.Results, b.result(mb.Call, m))
		case schema.BlockText, schema.BlockRefusal:
			mb.Words = b.words(block.Text, m.Seq)
			if strings.TrimSpace(mb.Words) == "" && mb.Sealed == nil {
				continue
			}
		case schema.BlockReasoning:
			mb.Words = b.words(block.Text, m.Seq)
		default:
			if mb.Sealed == nil {
				b.out.Losses.Add(LossOpaque, m.Seq)
				continue
			}
		}
		u.Blocks = append(u.Blocks, mb)
	}
	if len(u.Blocks) == 0 {
		return
	}
	b.out.Units = append(b.out.Units, u)
	if len(results.Results) > 0 {
		b.out.Units = append(b.out.Units, results)
	}
}

// seal returns the item of a seal if it is this provider's own, for this model,
// and the history it was made over still stands.
func (b *outliner) seal(s *schema.Seal, m *schema.Message) jsontext.Value {
	if s == nil {
		return nil
	}
	foreign := s.Provider != b.dialect.Provider || s.API != "" && s.API != b.dialect.API ||
		s.Model != "" && !SameModel(s.Model, b.view.Model)
	switch {
	case foreign:
		return nil
	case m.Seq < b.summary:
		b.out.Losses.Add(LossStaleSeal, m.Seq)
		return nil
	case s.ItemBlob != nil:
		item, err := ReadBlob(b.ctx, b.view.Blobs, s.ItemBlob)
		if err != nil || !jsontext.Value(item).IsValid() {
			b.out.Losses.Add(LossMissingContent, m.Seq)
			return nil
		}
		return item
	}
	return s.Item
}

// SameModel reports whether two ids name one model: they are equal, or one is
// the other with the date of a snapshot, or -latest, behind it.
func SameModel(a, b string) bool {
	return a == b || withoutDate(a) == withoutDate(b)
}

// withoutDate cuts a snapshot's date, -YYYYMMDD or -YYYY-MM-DD, off a model id.
func withoutDate(id string) string {
	id = strings.TrimSuffix(id, "-latest")
	for _, shape := range []string{"-00000000", "-0000-00-00"} {
		if len(id) <= len(shape) {
			continue
		}
		tail := id[len(id)-len(shape):]
		fits := true
		for i := range len(shape) {
			digit := tail[i] >= '0' && tail[i] <= '9'
			if (shape[i] == '0') != digit || shape[i] == '-' && tail[i] != '-' {
				fits = false
				break
			}
		}
		if fits {
			return id[:len(id)-len(shape)]
		}
	}
	return id
}

// call gives a tool call its name and id on the wire.
func (b *outliner) call(block *schema.Block, m *schema.Message) *OutlineCall {
	own := toolName(block.Namespace, block.Name)
	c := &OutlineCall{
		Key: block.CallKey, Name: b.wireName(own, m.Seq), Custom: block.Kind == schema.CallCustom,
		Text: b.words(block.ArgsRaw, m.Seq),
	}
	if !b.declared[c.Name] {
		b.declared[c.Name] = true
		b.out.Losses.Add(LossUndeclaredTool, m.Seq)
		b.out.Tools = append(b.out.Tools, ToolDeclaration{
			Name: c.Name, Description: "This tool was used earlier in the session and is no longer available. Do not call it.",
			Schema: emptySchema(), Gone: true,
		})
	}
	c.Object = b.object(block, c, m.Seq)
	if c.Text == "" && !c.Custom {
		c.Text = string(c.Object)
	}
	c.ID = block.VendorID
	for salt := 0; !b.dialect.CallID(c.ID) || b.ids[c.ID]; salt++ {
		c.ID, c.Renamed = b.dialect.NewCallID(block.CallKey, salt), true
	}
	b.ids[c.ID] = true
	if c.Renamed && block.VendorID != "" {
		b.out.Losses.Add(LossRenamedCall, m.Seq)
	}
	if b.calls[c.Key] == nil {
		b.calls[c.Key] = c
	}
	return c
}

// object returns a call's arguments as a JSON object.
func (b *outliner) object(block *schema.Block, c *OutlineCall, seq int64) jsontext.Value {
	if block.Args.Kind() == '{' {
		return block.Args
	}
	if v, ok := schema.VendorJSON([]byte(c.Text)); ok && v.Kind() == '{' && !c.Custom {
		return v
	}
	if c.Text == "" && block.Item.Kind() == '{' {
		return block.Item
	}
	member := "_raw"
	switch {
	case c.Custom:
		member = "input"
		if b.dialect.ObjectCalls {
			b.out.Losses.Add(LossFreeForm, seq)
		}
	case c.Text == "":
		return jsontext.Value("{}")
	case b.dialect.ObjectCalls:
		b.out.Losses.Add(LossWrappedArguments, seq)
	}
	v, err := jsontext.AppendQuote([]byte(`{"`+member+`":`), c.Text)
	if err != nil {
		return jsontext.Value("{}")
	}
	return append(v, '}')
}

// result finds or makes the answer of a call.
func (b *outliner) result(c *OutlineCall, m *schema.Message) CallResult {
	b.out.Size += 256
	res := CallResult{Call: c, Seq: m.Seq}
	found := b.results[c.Key]
	if b.calls[c.Key] != c {
		found = nil // a call key that repeats: the answer is the first one's
	}
	if found == nil || found.Result.Content == nil {
		var r schema.Result
		if found != nil {
			r = *found.Result
		}
		res.Status, res.Error, res.Text = r.Status, true, absentText(&r)
		b.out.Losses.Add(LossSyntheticResult, m.Seq)
		return res
	}
	r := found.Result
	res.Seq, res.Status = found.Seq, r.Status
	res.Error = r.Status != schema.StatusOK && r.Status != ""
	if r.Cleared {
		res.Text = "[The output of this call is no longer kept in the conversation.]"
		return res
	}
	res.Text, res.Images = splitContent(b.parts(r.Content, found.Seq))
	if strings.TrimSpace(res.Text) == "" {
		res.Text = "[no output]"
		if len(res.Images) > 0 {
			res.Text = "[an image]"
		}
	}
	return res
}

// absentText tells the model about a call that has no answer.
func absentText(r *schema.Result) string {
	switch {
	case r.Recovered && r.ExitCode != nil:
		return fmt.Sprintf("[The output of this call was lost. It ended with status %s and exit code %d.]", r.Status, *r.ExitCode)
	case r.Recovered:
		return fmt.Sprintf("[The output of this call was lost. It ended with status %s.]", r.Status)
	case r.NotStarted:
		return "[This call was not run.]"
	}
	return "[The outcome of this call is not known: the session ended before it was recorded. It may have taken effect. Check the state of things before you repeat it.]"
}

// orphan tells of a result whose call is not in the view.
func (b *outliner) orphan(m *schema.Message) {
	if b.calls[m.Result.CallKey] != nil {
		return // told behind its response
	}
	b.orphans[m.Result.CallKey] = true
	for i := range b.view.Messages {
		for j := range b.view.Messages[i].Blocks {
			if b.view.Messages[i].Blocks[j].CallKey == m.Result.CallKey {
				return // its response comes later; it is told there
			}
		}
	}
	if m.Result.Content == nil {
		return
	}
	b.out.Losses.Add(LossOrphanResult, m.Seq)
	text, images := splitContent(b.parts(m.Result.Content, m.Seq))
	u := Unit{Kind: UnitUser, Seq: m.Seq, Role: schema.RoleUser, Message: m}
	u.Content = append(u.Content, Content{
		Type: schema.PartText, Text: "[Result of an earlier call of the tool " + m.Result.Name + "]\n" + text,
	})
	u.Content = append(u.Content, images...)
	b.out.Units = append(b.out.Units, u)
}

// splitContent joins the texts and files of a result and sets images apart.
func splitContent(content []Content) (text string, images []Content) {
	var texts []string
	for _, c := range content {
		switch c.Type {
		case schema.PartImage:
			images = append(images, c)
		case schema.PartFile:
			texts = append(texts, fileNote(c))
		default:
			if c.Text != "" {
				texts = append(texts, c.Text)
			}
		}
	}
	return strings.Join(texts, "\n"), images
}

func fileNote(c Content) string {
	name := c.Name
	if name == "" {
		name = c.URI
	}
	return fmt.Sprintf("[file %s, %s, %d bytes]", name, c.Media, len(c.Bytes))
}

// parts reads the content of a message.
func (b *outliner) parts(parts []schema.Part, seq int64) []Content {
	var out []Content
	for i := range parts {
		p := &parts[i]
		if p.Sent != nil && !*p.Sent {
			continue
		}
		c := Content{Type: p.Type, Name: p.Name, URI: p.URI, Detail: p.Detail}
		switch p.Type {
		case schema.PartText:
			c.Text = b.words(p.Text, seq)
		case schema.PartImage, schema.PartFile:
			if p.Blob != nil {
				c.Media = p.Blob.Media
				content, err := ReadBlob(b.ctx, b.view.Blobs, p.Blob)
				if err != nil {
					b.out.Losses.Add(LossMissingContent, seq)
					out = append(out, Content{Type: schema.PartText, Text: "[" + string(p.Type) + " " + p.Name + " is not available]"})
					continue
				}
				c.Bytes = content
				b.out.Size += len(content) * 4 / 3
			} else if p.URI == "" {
				b.out.Losses.Add(LossMissingContent, seq)
				continue
			}
		default:
			b.out.Losses.Add(LossOpaque, seq)
			continue
		}
		out = append(out, c)
	}
	return out
}

// words reads a text that may be a blob.
func (b *outliner) words(t schema.Text, seq int64) string {
	if t.Blob == nil {
		b.out.Size += len(t.Inline)
		return strings.ToValidUTF8(t.Inline, "\uFFFD")
	}
	content, err := ReadBlob(b.ctx, b.view.Blobs, t.Blob)
	if err != nil {
		b.out.Losses.Add(LossMissingContent, seq)
		return "[text is not available]"
	}
	return strings.ToValidUTF8(string(content), "\uFFFD")
}

func withoutBlank(content []Content) []Content {
	out := content[:0]
	for _, c := range content {
		if c.Type != schema.PartText || strings.TrimSpace(c.Text) != "" {
			out = append(out, c)
		}
	}
	return out
}

// Note names, in a text, content that an API does not take, and says which loss
// that is.
func (c *Content) Note() (text, code string) {
	if c.Type == schema.PartFile {
		if strings.HasPrefix(c.Media, "text/") && len(c.Bytes) > 0 {
			return fmt.Sprintf("[file %s]\n%s", c.Name, strings.ToValidUTF8(string(c.Bytes), "\uFFFD")), LossFile
		}
		return fileNote(*c), LossFile
	}
	return fmt.Sprintf("[image %s, %s, %d bytes]", c.Name, c.Media, len(c.Bytes)), LossImage
}
