package opencode

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Options of an export, by the names of the command's flags.
const (
	// OptionCWD is the working directory of the exported session. Empty: the
	// session's own.
	OptionCWD = "cwd"
	// OptionOnly, if `transcript`, leaves out the sessions of subagents.
	OptionOnly = "only"
	// OptionProvider and OptionModel name the provider, in the target's
	// configuration, and the model that user messages ask for. Empty: the
	// session's last.
	OptionProvider = "provider"
	OptionModel    = "model"
)

// toolVersion is the release whose format is written.
const toolVersion = "1.18.33"

// viewWriter writes a session for `opencode import` from the view of any log.
type viewWriter struct {
	ctx    context.Context
	req    convert.ExportRequest
	log    format.LogID
	state  schema.State
	load   *convert.EventLoader
	ids    *idMaker
	out    *bufio.Writer
	first  bool
	parent string // id of the user message that responses answer

	session, cwd    string
	provider, model string
	children        map[schema.CallKey]string // by call: id of the child session
	late            map[schema.CallKey]schema.Message
}

// exportView writes a log that is not an OpenCode session, and those of its
// subagents, as files for `opencode import`.
func exportView(ctx context.Context, req convert.ExportRequest) error {
	return exportSessionView(ctx, req, req.Log, req.Size, "", make(map[format.LogID]bool))
}

// exportSessionView writes one log, child first: the tool takes them in any order.
func exportSessionView(ctx context.Context, req convert.ExportRequest, log format.LogID, size int64, parent string, seen map[format.LogID]bool) error {
	seen[log] = true
	w, err := newViewWriter(ctx, req, log, size)
	if err != nil {
		return err
	}
	defer w.load.Close()
	if req.Options[OptionOnly] != "transcript" {
		for _, l := range w.state.Links() {
			child, ok := w.childLog(l.Child)
			if !ok || seen[child] {
				continue
			}
			id, err := exportedID(ctx, req, child)
			if err != nil {
				return err
			}
			w.children[l.CallKey] = id
			if err := exportSessionView(ctx, req, child, -1, w.session, seen); err != nil {
				return err
			}
		}
	}
	file, err := req.Out.Create(w.session + ".json")
	if err != nil {
		return err
	}
	if err := w.write(file, parent); err != nil {
		return err
	}
	return file.Close()
}

func newViewWriter(ctx context.Context, req convert.ExportRequest, log format.LogID, size int64) (*viewWriter, error) {
	w := &viewWriter{ctx: ctx, req: req, log: log, load: convert.NewEventLoader(ctx, req.Store, log), first: true, children: make(map[schema.CallKey]string)}
	if err := convert.Fold(ctx, req.Store, log, 0, size, &w.state); err != nil {
		return nil, err
	}
	info := w.state.Info()
	w.ids = newIDMaker(log, w.state.Size())
	w.ids.clock = w.begin()
	w.session = w.ids.session(w.ids.clock)
	w.cwd = cmp.Or(req.Options[OptionCWD], info.CWD, "/")
	w.provider, w.model = w.lastModel()
	return w, nil
}

// exportedID is the id that a log's session gets.
func exportedID(ctx context.Context, req convert.ExportRequest, log format.LogID) (string, error) {
	w, err := newViewWriter(ctx, req, log, -1)
	if err != nil {
		return "", err
	}
	w.load.Close()
	return w.session, nil
}

// childLog finds the log of a subagent's session by the names that importers give.
func (w *viewWriter) childLog(child string) (format.LogID, bool) {
	if child == "" {
		return format.LogID{}, false
	}
	info := w.state.Info()
	for _, name := range []convert.LogName{
		{Vendor: info.Vendor, Kind: convert.LogSession, ID: child},
		{Vendor: info.Vendor, Kind: convert.LogAgent, ID: info.VendorSession + "/" + child},
	} {
		if _, err := w.req.Store.Info(w.ctx, name.LogID()); err == nil {
			return name.LogID(), true
		}
	}
	return format.LogID{}, false
}

// begin is a moment before the first message.
func (w *viewWriter) begin() int64 {
	for m, err := range w.state.View(w.load.Load) {
		if err != nil {
			break // the second reading reports it
		}
		if t, err := schema.ParseTime(m.Time); err == nil {
			return max(t.UnixMilli()-1, 1)
		}
	}
	return noTime
}

// lastModel is the provider and model that answered last.
func (w *viewWriter) lastModel() (provider, model string) {
	for m, err := range w.state.View(w.load.Load) {
		if err == nil && m.Role == schema.RoleModel && m.Model != "" && !m.Synthetic {
			provider, model = w.providerOf(m), m.Model
		}
	}
	return cmp.Or(w.req.Options[OptionProvider], provider, "unknown"), cmp.Or(w.req.Options[OptionModel], model, "unknown")
}

// providerOf names the provider of a response. Claude Code does not say who it
// asks: Anthropic.
func (w *viewWriter) providerOf(m schema.Message) string {
	if m.Provider == "" && w.state.Info().Vendor == "claude-code" {
		return "anthropic"
	}
	return cmp.Or(m.Provider, "unknown")
}

func (w *viewWriter) write(file io.Writer, parent string) error {
	w.out = bufio.NewWriterSize(file, 256<<10)
	w.out.WriteString(`{"info":`)
	w.out.Write(w.info(parent))
	w.out.WriteString(`,"messages":[`)
	if err := w.messages(0); err != nil {
		return err
	}
	w.out.WriteString("]}\n")
	w.reportState()
	return w.out.Flush()
}

func (w *viewWriter) info(parent string) jsontext.Value {
	info := w.state.Info()
	var o, t objectWriter
	o.text("id", w.session)
	o.text("slug", "ownlog-"+strings.ToLower(w.session[len(w.session)-8:]))
	o.text("projectID", noProject)
	o.text("directory", w.cwd)
	if parent != "" {
		o.text("parentID", parent)
	}
	o.text("title", cmp.Or(info.Title, "Session "+info.VendorSession))
	o.text("version", toolVersion)
	t.number("created", w.ids.clock)
	t.number("updated", w.ids.clock)
	o.add("time", t.close())
	return o.close()
}

// messages writes the messages of the view from the entry at position from on.
func (w *viewWriter) messages(from int64) error {
	var response *schema.Message
	var results []*schema.Message
	flush := func() error {
		if response == nil {
			return nil
		}
		err := w.response(*response, results)
		response, results = nil, nil
		return err
	}
	for m, err := range w.state.View(w.load.Load) {
		if err != nil {
			return err
		}
		if m.Role == schema.RoleTool {
			results = append(results, &m)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		results = nil
		switch {
		case m.Seq < from:
		case m.Role == schema.RoleModel && m.Synthetic:
			w.lose("synthetic-response", m)
		case m.Role == schema.RoleModel:
			response = &m
		default:
			if err := w.user(m); err != nil {
				return err
			}
		}
	}
	return flush()
}

// draft is a message while its parts are made.
type draft struct {
	parts []*objectWriter // without ids, which are given when their number is known
}

func (d *draft) add(kind string) *objectWriter {
	o := new(objectWriter)
	d.parts = append(d.parts, o)
	o.text("type", kind)
	return o
}

// put writes a message; info makes its members, given its id and time.
func (w *viewWriter) put(at string, d *draft, info func(o *objectWriter, id string, ms int64)) (id string, err error) {
	id, ms := w.ids.message(at, len(d.parts)*2)
	var o objectWriter
	info(&o, id, ms)
	message := o.close()
	var parts []jsontext.Value
	for _, p := range d.parts {
		p.text("id", w.ids.part())
		p.text("sessionID", w.session)
		p.text("messageID", id)
		parts = append(parts, p.close())
	}
	if err := checkMessage(message, parts); err != nil {
		return "", fmt.Errorf("log %s: the exported message would be refused: %w", w.log, err)
	}
	if !w.first {
		w.out.WriteByte(',')
	}
	w.first = false
	w.out.WriteString(`{"info":`)
	w.out.Write(message)
	w.out.WriteString(`,"parts":[`)
	for i, p := range parts {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.out.Write(p)
	}
	_, err = w.out.WriteString("]}")
	return id, err
}

// user writes a user message. Injected context is user text marked synthetic.
func (w *viewWriter) user(m schema.Message) error {
	d := new(draft)
	content := m.Content
	if len(m.Rendered) > 0 {
		content = nil
		for _, t := range m.Rendered {
			content = append(content, schema.Part{Type: schema.PartText, Text: t})
		}
		w.change("rendered-text", m)
	}
	synthetic := m.Injected || m.Origin == schema.OriginSynthetic || m.Summary
	for i := range content {
		if err := w.userPart(m, &content[i], synthetic, d); err != nil {
			return err
		}
	}
	if len(d.parts) == 0 {
		return nil
	}
	if m.Injected {
		w.change("injected-context", m)
	} else {
		w.req.Report.Add(schema.Preserved, "user-message", 1, "")
	}
	id, err := w.put(m.Time, d, w.userInfo)
	w.parent = id
	return err
}

func (w *viewWriter) userInfo(o *objectWriter, id string, ms int64) {
	o.text("id", id)
	o.text("sessionID", w.session)
	o.text("role", roleUser)
	o.add("time", createdAt(ms, 0))
	o.text("agent", agentName)
	var model objectWriter
	model.text("providerID", w.provider)
	model.text("modelID", w.model)
	o.add("model", model.close())
}

// agentName is the tool's own agent for ordinary work.
const agentName = "build"

func createdAt(created, completed int64) jsontext.Value {
	var t objectWriter
	t.number("created", created)
	if completed > 0 {
		t.number("completed", completed)
	}
	return t.close()
}

func (w *viewWriter) userPart(m schema.Message, p *schema.Part, synthetic bool, d *draft) error {
	switch {
	case p.Type == schema.PartOpaque:
		w.lose("opaque-part", m)
		return nil
	case p.Type == schema.PartText:
		text, err := w.text(p.Text)
		if err != nil || text == "" {
			return err
		}
		o := d.add("text")
		o.text("text", text)
		if synthetic {
			o.add("synthetic", jsontext.Value("true"))
		}
		if p.Sent != nil && !*p.Sent {
			o.add("ignored", jsontext.Value("true"))
		}
		return nil
	case p.Blob == nil && p.URI == "":
		w.lose("file-without-content", m)
		return nil
	}
	url, err := w.fileURL(p.Blob, p.URI)
	if err != nil {
		return err
	}
	d.add("file").file(mediaOf(p), p.Name, url)
	return nil
}

// file adds the members of a file part.
func (o *objectWriter) file(mime, name, url string) {
	o.text("mime", mime)
	if name != "" {
		o.text("filename", name)
	}
	o.text("url", url)
}

func mediaOf(p *schema.Part) string {
	switch {
	case p.Blob != nil && p.Blob.Media != "":
		return p.Blob.Media
	case p.Type == schema.PartImage:
		return "image/png"
	}
	return "application/octet-stream"
}

// fileURL is a file's content as a data URL, or where it is.
func (w *viewWriter) fileURL(blob *schema.Blob, uri string) (string, error) {
	if blob == nil {
		return uri, nil
	}
	b, err := w.blob(blob)
	if err != nil {
		return "", err
	}
	return "data:" + blob.Media + ";base64," + base64.StdEncoding.EncodeToString(b), nil
}

func (w *viewWriter) text(t schema.Text) (string, error) {
	if t.Blob == nil {
		return t.Inline, nil
	}
	b, err := w.blob(t.Blob)
	return string(b), err
}

// maxBlob is the largest blob that is put into an import file, in bytes.
const maxBlob = 256 << 20

func (w *viewWriter) blob(ref *schema.Blob) ([]byte, error) {
	digest, err := convert.BlobDigest(*ref)
	if err != nil {
		return nil, err
	}
	r, err := w.req.Store.OpenBlob(w.ctx, digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxBlob+1))
	if err == nil && len(b) > maxBlob {
		err = fmt.Errorf("blob %s: more than %d bytes, too big for an import file", ref.Digest, maxBlob)
	}
	return b, err
}

func (w *viewWriter) lose(code string, m schema.Message) {
	w.req.Report.Add(schema.Dropped, code, 1, fmt.Sprintf("entry %d", m.Seq))
}

func (w *viewWriter) change(code string, m schema.Message) {
	w.req.Report.Add(schema.Transformed, code, 1, fmt.Sprintf("entry %d", m.Seq))
}

// reportState counts what is no content and has no place in an import file.
func (w *viewWriter) reportState() {
	report := w.req.Report
	if _, ok := w.state.Definition(); ok {
		report.Add(schema.Dropped, "state-definition", 1, "")
	}
	report.Add(schema.Dropped, "state-open-permission", int64(len(w.state.OpenPermissions())), "")
}

func (o *objectWriter) number(name string, n int64) { o.add(name, fmt.Appendf(nil, "%d", n)) }

// continueAfter gets ready to write what was added after a session's own rows.
func (w *viewWriter) continueAfter(s *sessionRows) error {
	for _, m := range s.messages {
		w.ids.clock = max(w.ids.clock, m.created)
		if m.role == roleUser {
			w.parent = m.id
		}
	}
	w.late = make(map[schema.CallKey]schema.Message)
	for m, err := range w.state.View(w.load.Load) {
		if err != nil {
			return err
		}
		if m.Role == schema.RoleTool && m.Seq >= s.native && m.Result.Content != nil {
			w.late[m.Result.CallKey] = m
		}
	}
	return nil
}

// answersLate tells whether a call got its answer after the import.
func (w *viewWriter) answersLate(call schema.CallKey) bool {
	_, late := w.late[call]
	return late
}

// answerLate puts the answer that a call got after the import into its part.
func (w *viewWriter) answerLate(part jsontext.Value, call schema.CallKey) (jsontext.Value, error) {
	m, late := w.late[call]
	if !late {
		return part, nil
	}
	input := valueAt(part, "/state/input")
	if input == nil {
		input = jsontext.Value("{}")
	}
	state, err := w.toolState(m, &schema.Block{Name: m.Result.Name, CallKey: call}, input, m.Result)
	if err != nil {
		return nil, err
	}
	w.change("answered-after-import", m)
	part = without(part, "state")
	out := append(part[:len(part)-1], `,"state":`...)
	return append(append(out, state...), '}'), nil
}
