package convert

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// PackEndings returns what a pack carries of the import records: the contents
// that are known of each log and how they ended, as JSON.
func (im *Imports) PackEndings(logs []format.LogID) (jsontext.Value, error) {
	packed := make(map[string][]Content)
	for _, log := range logs {
		list, err := im.Contents(log)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			packed[log.String()] = list
		}
	}
	return json.Marshal(packed, json.Deterministic(true))
}

// UnpackEndings takes up what [Imports.PackEndings] made.
func (im *Imports) UnpackEndings(packed jsontext.Value) error {
	if len(packed) == 0 {
		return nil
	}
	var contents map[string][]Content
	if err := json.Unmarshal(packed, &contents); err != nil {
		return fmt.Errorf("import records of a pack: %w", err)
	}
	for name, list := range contents {
		log, err := format.ParseLogID(name)
		if err != nil {
			return fmt.Errorf("import records of a pack: %w", err)
		}
		for _, c := range list {
			if err := im.AddContent(log, c); err != nil {
				return err
			}
		}
	}
	return nil
}
