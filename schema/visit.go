package schema

import "github.com/go-json-experiment/json/jsontext"

// visitor is shown, in the order of their encoding, the places of an event's
// data where long content and blobs stand. Functions may be nil, and may change
// what they are shown.
type visitor struct {
	text  func(*Text)
	value func(*jsontext.Value) // vendor JSON that cannot become a blob
	args  func(*Block)          // the arguments of a call
	seal  func(*Seal)
	blob  func(*Blob)
}

func (v *visitor) event(ev *Event) {
	switch d := ev.Data.(type) {
	case *UserMessage:
		v.parts(d.Content)
		if d.Model != nil {
			v.json(&d.Model.Params)
		}
		v.texts(d.Rendered)
	case *SystemMessage:
		v.parts(d.Content)
		v.texts(d.RenderedAlone)
	case *ModelRequested:
		v.json(&d.Params)
	case *ModelOutput:
		v.blocks(d.Blocks)
	case *ModelFailed:
		v.string(&d.Message)
	case *TurnFinished:
		v.string(&d.Message)
	case *ContextCompacted:
		v.parts(d.Summary)
		v.string(&d.Marker)
		for i := range d.View {
			v.parts(d.View[i].Content)
			v.blocks(d.View[i].Blocks)
		}
		v.sealed(d.Seal)
	case *PermissionRequested:
		v.json(&d.Args)
	case *PermissionDecided:
		v.json(&d.Args)
		v.string(&d.Message)
	case *ToolResult:
		v.parts(d.Content)
		v.json(&d.Structured)
	case *FileChanged:
		v.string(&d.Patch)
	case *SessionOpened:
		if d.Model != nil {
			v.json(&d.Model.Params)
		}
		v.json(&d.Permissions)
	case *SessionDefined:
		v.ref(d.Definition)
	case *SessionUpdated:
		v.updated(d)
	case *NoteAdded:
		v.string(&d.Text)
	case *Unknown:
		v.json(&d.JSON)
	}
}

func (v *visitor) updated(d *SessionUpdated) {
	if d.Model != nil {
		v.json(&d.Model.Params)
	}
	v.json(&d.Permissions)
	for i := range d.ToolsAdded {
		v.json(&d.ToolsAdded[i].Schema)
		v.json(&d.ToolsAdded[i].Item)
	}
}

func (v *visitor) parts(parts []Part) {
	for i := range parts {
		p := &parts[i]
		v.string(&p.Text)
		v.ref(p.Blob)
		v.json(&p.Item)
	}
}

func (v *visitor) blocks(blocks []Block) {
	for i := range blocks {
		b := &blocks[i]
		if v.args != nil && (b.Args != nil || !b.ArgsRaw.IsZero()) {
			v.args(b)
		}
		if b.ArgsRaw.Blob != nil {
			v.ref(b.ArgsRaw.Blob)
		}
		v.string(&b.Text)
		v.json(&b.Citations)
		v.texts(b.Summary)
		v.ref(b.Blob)
		v.json(&b.Item)
		v.sealed(b.Seal)
	}
}

func (v *visitor) texts(texts []Text) {
	for i := range texts {
		v.string(&texts[i])
	}
}

func (v *visitor) string(t *Text) {
	if v.text != nil && t.Blob == nil && t.Inline != "" {
		v.text(t)
	}
	v.ref(t.Blob)
}

func (v *visitor) json(j *jsontext.Value) {
	if v.value != nil && *j != nil {
		v.value(j)
	}
}

func (v *visitor) sealed(s *Seal) {
	if s == nil {
		return
	}
	if v.seal != nil && s.Item != nil {
		v.seal(s)
	}
	v.ref(s.ItemBlob)
}

func (v *visitor) ref(b *Blob) {
	if v.blob != nil && b != nil {
		v.blob(b)
	}
}
