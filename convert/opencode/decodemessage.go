package opencode

import "github.com/go-json-experiment/json/jsontext"

// decodeMessage reads the data of a message as decodePart does that of a part.
func decodeMessage(data jsontext.Value, into *messageInfo) error {
	d := messageDecoder{plainDecoder{jsonCursor: jsonCursor{b: data}}}
	*into = messageInfo{}
	if d.object(func(name []byte) bool { return d.message(into, name) }) && d.i == len(data) {
		return nil
	}
	*into = messageInfo{}
	return unmarshal(data, into)
}

// messageDecoder reads members; its functions return false for what is not plain.
type messageDecoder struct{ plainDecoder }

// The members of a message whose being given twice matters, as bits.
const (
	seenID = 1 << iota
	seenRole
	seenMessageTime
	seenAgent
	seenModel
	seenParentID
	seenProviderID
	seenModelID
	seenFinish
	seenSummary
	seenModelsID
	seenModelsProviderID
	seenModelsModelID
	seenVariant
)

func (d *messageDecoder) message(m *messageInfo, name []byte) bool {
	switch string(name) {
	case "id":
		return d.once(seenID) && d.text(&m.ID)
	case "role":
		return d.once(seenRole) && d.text(&m.Role)
	case "time":
		return d.once(seenMessageTime) && d.object(func(name []byte) bool {
			switch string(name) {
			case "created":
				return d.number(&m.Time.Created)
			case "completed":
				return d.number(&m.Time.Completed)
			}
			d.value()
			return unescaped(name)
		})
	case "agent":
		return d.once(seenAgent) && d.text(&m.Agent)
	case "model":
		m.Model = new(vendorModel)
		return d.once(seenModel) && d.object(func(name []byte) bool { return d.model(m.Model, name) })
	case "parentID":
		return d.once(seenParentID) && d.text(&m.ParentID)
	case "providerID":
		return d.once(seenProviderID) && d.text(&m.ProviderID)
	case "modelID":
		return d.once(seenModelID) && d.text(&m.ModelID)
	case "finish":
		return d.once(seenFinish) && d.text(&m.Finish)
	case "summary":
		m.Summary = d.value()
		return d.once(seenSummary)
	case "error":
		return false // rare
	}
	d.value()
	return unescaped(name)
}

func (d *messageDecoder) model(m *vendorModel, name []byte) bool {
	switch string(name) {
	case "id":
		return d.once(seenModelsID) && d.text(&m.ID)
	case "providerID":
		return d.once(seenModelsProviderID) && d.text(&m.ProviderID)
	case "modelID":
		return d.once(seenModelsModelID) && d.text(&m.ModelID)
	case "variant":
		return d.once(seenVariant) && d.text(&m.Variant)
	}
	d.value()
	return unescaped(name)
}
