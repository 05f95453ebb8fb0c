package opencode

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// partInfo is the data of a part row, or a part file.
type partInfo struct {
	Type      string         `json:"type"`
	Text      string         `json:"text"`
	Synthetic bool           `json:"synthetic"`
	Ignored   bool           `json:"ignored"`
	Metadata  jsontext.Value `json:"metadata"`
	Time      partTime       `json:"time"` // of text and reasoning

	// Of files.
	Mime     string `json:"mime"`
	Filename string `json:"filename"`
	URL      string `json:"url"`

	// Of tools.
	CallID string     `json:"callID"`
	Tool   string     `json:"tool"`
	State  *toolState `json:"state"`

	// Of step-finish.
	Reason string         `json:"reason"`
	Tokens *tokens        `json:"tokens"`
	Cost   jsontext.Value `json:"cost"`

	// Of patches.
	Hash  string   `json:"hash"`
	Files []string `json:"files"`

	// Of compactions.
	Auto        bool   `json:"auto"`
	TailStartID string `json:"tail_start_id"`
}

type partTime struct {
	Start jsontext.Value `json:"start"`
	End   jsontext.Value `json:"end"`
}

type tokens struct {
	Input     jsontext.Value `json:"input"`
	Output    jsontext.Value `json:"output"`
	Reasoning jsontext.Value `json:"reasoning"`
	Cache     struct {
		Read  jsontext.Value `json:"read"`
		Write jsontext.Value `json:"write"`
	} `json:"cache"`
}

// The texts that the tool sends in place of parts that have none of their own
// (seen in requests of 1.18.33).
const (
	compactionMarker = "What did we do so far?"
	subtaskText      = "The following tool was executed by the user"
)

// kindStepStart marks where a response begins inside a message.
const kindStepStart = "step-start"

func (m *mapper) mapPart(rec record, run *convert.Run) {
	info := &m.info
	if err := decodePart(rec.data, info); err != nil || rec.data.Kind() != '{' || info.Type == "" || info.Type == "tool" && info.State == nil {
		m.unreadable(rec, run, "unexpected-type")
		return
	}
	if rec.created == nil {
		rec.created = milliseconds(info.Time.Start)
	}
	msg := m.known(rec.messageID)
	if msg == nil {
		m.unreadable(rec, run, partWithoutMessage)
		return
	}
	at := m.place(rec.id, msg, info.Type)
	var fits bool
	switch msg.role {
	case roleUser:
		fits = m.userPart(rec, info, at.response, run)
	case roleAssistant:
		fits = m.assistantPart(rec, info, at, run)
	}
	if !fits {
		m.plainPart(rec, info, at.response, run)
	}
}

// place numbers a part: as in its first run, or as the message stands.
func (m *mapper) place(id string, msg *message, kind string) place {
	if p, known := m.parts[id]; known {
		p.kept = false
		m.parts[id] = p
		return p
	}
	if msg.role == roleAssistant && kind == kindStepStart {
		if msg.stepStarts > 0 {
			m.steps[msg.turn]++
			msg.step = m.steps[msg.turn]
		}
		msg.stepStarts++
	}
	p := place{response{msg.turn, msg.step}, -1, false}
	m.parts[id] = p
	return p
}

// plainPart keeps a part that says nothing about the conversation, or nothing
// this version understands.
func (m *mapper) plainPart(rec record, info *partInfo, at response, run *convert.Run) {
	out := &schema.VendorRecord{Kind: info.Type}
	switch info.Type {
	case kindStepStart, "snapshot", "agent", "retry", "patch", "step-finish":
	case "text", "reasoning", "tool", "file", "compaction", "subtask":
		out.Finding = "part of the other role"
		m.find("part-of-other-role", rec)
	default:
		out.Finding = "unknown part type"
		m.find("unknown-part-type", rec)
	}
	emit(run, rec.created, schema.ActorImport, at, out)
}

func (m *mapper) userPart(rec record, info *partInfo, at response, run *convert.Run) bool {
	said := &schema.UserMessage{MessageID: rec.messageID, Origin: schema.OriginTyped, Synthetic: info.Synthetic}
	if info.Synthetic {
		said.Origin = schema.OriginSynthetic
	}
	switch info.Type {
	case "text":
		part := schema.Part{Type: schema.PartText, Text: m.text(run, info.Text)}
		if info.Ignored {
			part.Sent = notSent()
		}
		said.Content = []schema.Part{part}
	case "file":
		said.Content = []schema.Part{m.filePart(run, info.Mime, info.Filename, info.URL)}
	case "subtask":
		said.Content, said.Origin = []schema.Part{schema.TextPart(subtaskText)}, schema.OriginCommand
	case "compaction":
		m.compaction(rec, info, at, run)
		return true
	default:
		return false
	}
	emit(run, rec.created, schema.ActorUser, at, said)
	return true
}

// compaction: the marker is a user message of its own, and the first response
// of its turn is the summary.
func (m *mapper) compaction(rec record, info *partInfo, at response, run *convert.Run) {
	out := &schema.ContextCompacted{
		Trigger:     "manual",
		SummaryFrom: summaryFrom(at.turn),
		Marker:      schema.String(compactionMarker),
		KeptFrom:    info.TailStartID,
	}
	actor := schema.ActorUser
	if info.Auto {
		out.Trigger, actor = "auto", schema.ActorSystem
	}
	emit(run, rec.created, actor, at, out)
}

// summaryFrom names the first response of a turn.
func summaryFrom(turn int64) string {
	key, _, _ := strings.Cut(string(schema.NewCallKey(turn, 1, 0)), "/0")
	return key
}

func (m *mapper) assistantPart(rec record, info *partInfo, at place, run *convert.Run) bool {
	msg := m.messages[rec.messageID]
	out := &schema.ModelOutput{MessageID: rec.messageID, Synthetic: info.Synthetic}
	switch info.Type {
	case "text":
		out.Blocks = []schema.Block{{Type: schema.BlockText, Text: m.text(run, info.Text)}}
	case "reasoning":
		block := schema.Block{Type: schema.BlockReasoning, Text: m.text(run, info.Text)}
		block.Seal = m.seal(rec, info, msg, run)
		out.Blocks = []schema.Block{block}
	case "file":
		out.Blocks = []schema.Block{m.fileBlock(run, info)}
	case "tool":
		return m.toolPart(rec, info, at, run)
	case "step-finish":
		out.Blocks, out.StopReason = []schema.Block{}, info.Reason
		out.Usage = info.Tokens.usage()
		if cost, ok := nanoUSD(info.Cost); ok {
			out.CostNUSD = &cost
		}
	case "patch":
		for _, f := range info.Files {
			emit(run, rec.created, schema.ActorTool, at.response, &schema.FileChanged{Path: f, Snapshot: info.Hash})
		}
		return len(info.Files) > 0
	default:
		return false
	}
	emit(run, rec.created, schema.ActorModel, at.response, out)
	return true
}

// usage counts as the event model does: output with reasoning.
func (t *tokens) usage() *schema.Usage {
	if t == nil {
		return nil
	}
	u := &schema.Usage{
		Input: count(t.Input), Output: count(t.Output), Reasoning: count(t.Reasoning),
		CacheRead: count(t.Cache.Read), CacheWrite: count(t.Cache.Write),
	}
	if u.Output != nil && u.Reasoning != nil {
		u.Output = schema.Int(*u.Output + *u.Reasoning)
	}
	if *u == (schema.Usage{}) {
		return nil
	}
	return u
}

func count(v jsontext.Value) *int64 {
	n, ok := integer(v)
	if !ok || n < 0 || n > 1<<52 {
		return nil
	}
	return &n
}

// The names of the wire forms that a seal belongs to.
const (
	apiMessages  = "messages"
	apiResponses = "responses"
)

// seal makes the provider's own form of a reasoning part from its metadata.
func (m *mapper) seal(rec record, info *partInfo, msg *message, run *convert.Run) *schema.Seal {
	var meta struct {
		Anthropic struct {
			Signature    *string `json:"signature"`
			RedactedData *string `json:"redactedData"`
		} `json:"anthropic"`
		OpenAI struct {
			Encrypted *string `json:"reasoningEncryptedContent"`
		} `json:"openai"`
	}
	if len(info.Metadata) == 0 {
		return nil
	}
	if unmarshal(info.Metadata, &meta) != nil {
		m.find("seal-unreadable", rec)
		return nil
	}
	if m.isElided(info.Metadata) || m.isElided([]byte(info.Text)) {
		m.find("seal-too-big", rec)
		return nil
	}
	seal := &schema.Seal{Provider: msg.provider, Model: msg.model}
	var item []byte
	switch {
	case meta.Anthropic.Signature != nil:
		seal.API, seal.Kind = apiMessages, schema.SealSignature
		item = appendText(append(item, `{"type":"thinking","thinking":`...), info.Text)
		item = appendText(append(item, `,"signature":`...), *meta.Anthropic.Signature)
	case meta.Anthropic.RedactedData != nil:
		seal.API, seal.Kind = apiMessages, schema.SealRedacted
		item = appendText(append(item, `{"type":"redacted_thinking","data":`...), *meta.Anthropic.RedactedData)
	case meta.OpenAI.Encrypted != nil:
		seal.API, seal.Kind = apiResponses, schema.SealEncrypted
		item = appendText(append(item, `{"type":"reasoning","encrypted_content":`...), *meta.OpenAI.Encrypted)
		item = append(item, `,"summary":[`...)
		if info.Text != "" {
			item = append(appendText(append(item, `{"type":"summary_text","text":`...), info.Text), '}')
		}
		item = append(item, ']')
	default:
		return nil
	}
	item = append(item, '}')
	if len(item) <= schema.MaxString {
		seal.Item = item
		return seal
	}
	ref := blob(run, item, "application/json")
	seal.ItemBlob = &ref
	return seal
}

// appendText writes a JSON string in valid UTF-8, with the shortest escapes.
func appendText(dst []byte, s string) []byte {
	return appendQuoted(dst, strings.ToValidUTF8(s, "\uFFFD"))
}

func notSent() *bool { return new(bool) }

// filePart says a file. The content of a data URL becomes a blob. Text files and
// folders were expanded into text parts beside it; they and files that are only
// named are not sent themselves.
func (m *mapper) filePart(run *convert.Run, mime, name, rawURL string) schema.Part {
	part := schema.Part{Type: schema.PartFile, Name: name}
	if strings.HasPrefix(mime, "image/") {
		part.Type = schema.PartImage
	}
	if content, media, ok := dataURL(rawURL); ok {
		if mime == "" {
			mime = media
		}
		ref := blob(run, content, mime)
		part.Blob = &ref
	} else {
		part.URI = shorten(rawURL)
		if m.isElided([]byte(rawURL)) {
			part.URI = "" // too long to be decoded here; the record's bytes have it
		}
	}
	if mime == "text/plain" || mime == "application/x-directory" || strings.HasPrefix(rawURL, "file:") {
		part.Sent = notSent()
	}
	return part
}

func (m *mapper) fileBlock(run *convert.Run, info *partInfo) schema.Block {
	part := m.filePart(run, info.Mime, info.Filename, info.URL)
	block := schema.Block{Type: schema.BlockFile, Blob: part.Blob, URI: part.URI, Name: part.Name}
	if part.Type == schema.PartImage {
		block.Type = schema.BlockImage
	}
	return block
}

// shorten keeps a URL that is not content; one too long to stand in an event
// stays in the record's bytes alone.
func shorten(u string) string {
	if len(u) > schema.MaxString {
		return ""
	}
	return u
}

// dataURL decodes the content of a data URL (RFC 2397).
func dataURL(u string) (content []byte, media string, ok bool) {
	rest, ok := strings.CutPrefix(u, "data:")
	if !ok {
		return nil, "", false
	}
	head, body, ok := strings.Cut(rest, ",")
	if !ok {
		return nil, "", false
	}
	media, isBase64 := strings.CutSuffix(head, ";base64")
	if isBase64 {
		content, err := base64.StdEncoding.DecodeString(body)
		return content, media, err == nil
	}
	text, err := url.PathUnescape(body)
	return []byte(text), media, err == nil
}
