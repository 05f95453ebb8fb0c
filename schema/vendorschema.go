package schema

import (
	"bytes"
	"fmt"
	"path"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// VendorSchemas are the compiled JSON Schemas of the vendors' own records, as
// they were observed. They are lenient: unknown members are fine. What violates
// them is a sign that a vendor's format has moved on. VendorSchemas are safe for
// concurrent use.
type VendorSchemas struct{ vendors map[string]*jsonschema.Schema }

// ProblemDrift: a vendor's record is not as its format was observed.
const ProblemDrift = "vendor-drift"

// NewVendorSchemas compiles the embedded schemas under v1/vendor, one for each
// vendor's name in [Source].
func NewVendorSchemas() (*VendorSchemas, error) {
	const folder = "v1/vendor"
	files, err := Files.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	s := &VendorSchemas{vendors: make(map[string]*jsonschema.Schema)}
	for _, f := range files {
		b, err := Files.ReadFile(path.Join(folder, f.Name()))
		if err != nil {
			return nil, err
		}
		c := jsonschema.NewCompiler()
		c.Draft = jsonschema.Draft2020
		address := schemaBase + "vendor/" + f.Name()
		if err := c.AddResource(address, bytes.NewReader(b)); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		compiled, err := c.Compile(address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		s.vendors[f.Name()[:len(f.Name())-len(".schema.json")]] = compiled
	}
	return s, nil
}

// Validate reports, as notes, how a vendor's record differs from what was
// observed. Vendors without a schema, and bytes that are not JSON, have none.
func (s *VendorSchemas) Validate(seq int64, vendor string, record []byte, report func(Problem)) {
	by := s.vendors[vendor]
	if by == nil {
		return
	}
	var instance any
	if err := json.Unmarshal(record, &instance, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return
	}
	reportSchemaError(by.Validate(instance), seq, func(p Problem) {
		p.Code, p.Level = ProblemDrift, LevelNote
		report(p)
	})
}
