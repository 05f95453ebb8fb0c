package replay

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// ParseDefinition reads a session definition. Unknown members are refused: a
// definition that is not understood must not run.
func ParseDefinition(b []byte) (*schema.Definition, error) {
	d := new(schema.Definition)
	if err := json.Unmarshal(b, d, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("definition: %w", err)
	}
	return d, nil
}

// readDefinition reads a definition that stands in the store.
func readDefinition(ctx context.Context, store format.Store, ref *schema.Blob) (schema.Definition, error) {
	var d schema.Definition
	b, err := provider.ReadBlob(ctx, store, ref)
	if err != nil {
		return d, fmt.Errorf("session definition: %w", err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("session definition %s: %w", ref.Digest, err)
	}
	return d, nil
}

// writeDefinition puts a definition into the store.
func writeDefinition(ctx context.Context, store format.Store, d *schema.Definition) (*schema.Blob, error) {
	b, err := json.Marshal(d, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("session definition: %w", err)
	}
	digest, size, err := store.PutBlob(ctx, bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("session definition: %w", err)
	}
	return &schema.Blob{Digest: provider.Digest(digest), Size: size, Media: "application/json"}, nil
}

// patch applies a session.updated to a definition.
func patch(d *schema.Definition, u *schema.SessionUpdated) {
	if u.Model != nil {
		m := *u.Model
		d.Model = &m
	}
	if u.Permissions != nil {
		d.Permissions = u.Permissions
	}
	for _, name := range u.ToolsRemoved {
		d.Tools = slices.DeleteFunc(slices.Clone(d.Tools), func(t schema.ToolDefinition) bool { return t.Name == name })
	}
	for _, t := range u.ToolsAdded {
		i := slices.IndexFunc(d.Tools, func(have schema.ToolDefinition) bool {
			return have.Name == t.Name && have.Namespace == t.Namespace
		})
		if i >= 0 {
			d.Tools = slices.Clone(d.Tools)
			d.Tools[i] = t
		} else {
			d.Tools = append(slices.Clip(d.Tools), t)
		}
	}
}

// definitions reads definitions from a store and keeps the one in force: the same
// value, not a copy, as long as the log says nothing new of it.
type definitions struct {
	store   format.Store
	shared  *sharedDefinitions
	digest  string // of base
	base    schema.Definition
	updates []int64 // what patched it
	patched schema.Definition
	known   bool
}

// current returns the definition in force; known is false if the log has none. It
// is not to be changed.
func (d *definitions) current(ctx context.Context, c *conversation) (def schema.Definition, known bool, err error) {
	ref, updates := c.definition()
	if ref == nil {
		return schema.Definition{}, false, nil
	}
	if d.known && d.digest == ref.Digest && slices.Equal(d.updates, updates) {
		return d.patched, true, nil
	}
	if d.digest != ref.Digest {
		if d.base, err = d.shared.read(ctx, d.store, ref); err != nil {
			return def, true, err
		}
		d.digest = ref.Digest
	}
	d.patched, d.updates, d.known = d.base, updates, true
	for _, seq := range updates {
		if u := c.update(seq); u != nil {
			patch(&d.patched, u)
		}
	}
	return d.patched, true, nil
}

// sharedDefinitions are definitions that sessions of one worker have in common.
// They are content-addressed, so what was read once is right for good. A nil one
// keeps nothing. It is safe for concurrent use.
type sharedDefinitions struct {
	mu       sync.Mutex
	byDigest map[string]schema.Definition
}

// maxSharedDefinitions bounds what a worker keeps.
const maxSharedDefinitions = 64

// read returns a definition that stands in the store. It is not to be changed.
func (k *sharedDefinitions) read(ctx context.Context, store format.Store, ref *schema.Blob) (schema.Definition, error) {
	if k == nil {
		return readDefinition(ctx, store, ref)
	}
	k.mu.Lock()
	d, ok := k.byDigest[ref.Digest]
	k.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := readDefinition(ctx, store, ref)
	if err != nil {
		return d, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byDigest == nil || len(k.byDigest) >= maxSharedDefinitions {
		k.byDigest = make(map[string]schema.Definition)
	}
	k.byDigest[ref.Digest] = d
	return d, nil
}
