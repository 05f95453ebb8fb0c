package provider

import (
	"slices"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/schema"
)

// Frames keeps what stands before the lists of bodies: the tools and the system
// prompt, which sessions under one definition have in common, and which are most
// of a short body. The zero Frames is empty and ready; a nil one keeps nothing. It
// is safe for concurrent use.
type Frames struct {
	mu   sync.Mutex
	kept map[frameKey][]byte
}

// frameKey names what a frame is made of by where it is in memory: definitions are
// not changed, and a map that holds the pointers keeps others from taking the place.
type frameKey struct {
	model  string
	asked  *schema.Model
	system *string
	tools  *schema.ToolDefinition
	// How many there are of both.
	systemLen, toolsLen int
}

// maxFrames bounds what a Frames keeps.
const maxFrames = 64

// frame returns a body of an API with an empty list. It is not to be changed.
func (f *Frames) frame(api API, view *View, out *Outline) ([]byte, error) {
	if f == nil || slices.ContainsFunc(out.Tools, func(t ToolDeclaration) bool { return t.Gone }) {
		return json.Marshal(api.Frame(view, out), wireOptions)
	}
	key := keyOf(view)
	f.mu.Lock()
	frame, ok := f.kept[key]
	f.mu.Unlock()
	if ok {
		return frame, nil
	}
	frame, err := json.Marshal(api.Frame(view, out), wireOptions)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil || len(f.kept) >= maxFrames {
		f.kept = make(map[frameKey][]byte)
	}
	f.kept[key] = frame
	return frame, nil
}

func keyOf(view *View) frameKey {
	d := &view.Definition
	key := frameKey{model: view.Model, asked: d.Model, systemLen: len(d.System), toolsLen: len(d.Tools)}
	if len(d.System) > 0 {
		key.system = &d.System[0]
	}
	if len(d.Tools) > 0 {
		key.tools = &d.Tools[0]
	}
	return key
}
