// Package providertest is the acceptance suite for providers, and strict servers
// of the APIs to run it against: they refuse what the real APIs refuse. What is
// known of that comes from the vendors' API references and error messages.
package providertest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Sign is the signature that the strict servers give what they have made, and
// check when it comes back.
func Sign(text string) string {
	sum := sha256.Sum256([]byte("strict:" + text))
	return hex.EncodeToString(sum[:12])
}

// read decodes strictly: an unknown member is an error.
func read(b []byte, v any) error {
	return json.Unmarshal(b, v, json.RejectUnknownMembers(true))
}

func plain(id string, most int) error {
	if id == "" || len(id) > most {
		return fmt.Errorf("id %q: want 1 to %d characters", id, most)
	}
	for _, r := range id {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return fmt.Errorf("id %q: want letters, digits, _ and - only", id)
		}
	}
	return nil
}

func isObject(v jsontext.Value) bool { return v.Kind() == '{' && v.IsValid() }

func notBlank(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("text content must not be blank")
	}
	return nil
}

// declaredTools checks names and schemas of declared tools.
func declaredTools(names []string, schemas []jsontext.Value) error {
	for i, name := range names {
		if err := plain(name, 64); err != nil {
			return fmt.Errorf("tools.%d: %w", i, err)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("tools.%d: the name %q is taken", i, name)
		}
		if schemas[i] == nil {
			continue
		}
		var s struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(schemas[i], &s) != nil || s.Type != "object" {
			return fmt.Errorf("tools.%d: the schema is not of type object", i)
		}
	}
	return nil
}
