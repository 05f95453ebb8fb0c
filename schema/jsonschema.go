package schema

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"path"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Files holds the JSON Schemas (draft 2020-12) under v1: <type>.schema.json for
// the normalised object of an entry of each type, and the files these refer to.
//
//go:embed v1
var Files embed.FS

// schemaBase is the address under which the schemas know each other. It is a
// name; nothing is ever fetched.
const schemaBase = "https://github.com/ownlog/ownlog/schema/v1/"

// Schemas are the compiled JSON Schemas of all event types. They check the same
// as a [Checker], many times slower, and independently of it. Schemas are safe
// for concurrent use.
type Schemas struct {
	types    map[Type]*jsonschema.Schema
	envelope *jsonschema.Schema
}

// NewSchemas compiles the embedded schemas.
func NewSchemas() (*Schemas, error) {
	c, err := schemaCompiler()
	if err != nil {
		return nil, err
	}
	s := &Schemas{types: make(map[Type]*jsonschema.Schema)}
	if s.envelope, err = c.Compile(schemaBase + "envelope.schema.json"); err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	for _, t := range Types() {
		if s.types[t], err = c.Compile(schemaBase + string(t) + ".schema.json"); err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
	}
	return s, nil
}

// schemaCompiler returns a compiler that knows the embedded schemas and fetches
// no others.
func schemaCompiler() (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	files, err := Files.ReadDir("v1")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := Files.ReadFile(path.Join("v1", f.Name()))
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(schemaBase+f.Name(), bytes.NewReader(b)); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return c, nil
}

// Validate checks the bytes of an event, the normalised object of an entry,
// against the JSON Schema of its type, and of a type of a later version against
// that of the envelope. It reports each violation; it stops at bytes that are
// not JSON.
func (s *Schemas) Validate(seq int64, norm []byte, report func(Problem)) {
	var instance any
	if err := json.Unmarshal(norm, &instance); err != nil {
		report(Problem{Code: ProblemJSON, Level: LevelError, Seq: seq, Message: err.Error()})
		return
	}
	by := s.types[TypeOf(norm)]
	if by == nil {
		by = s.envelope
	}
	reportSchemaError(by.Validate(instance), seq, report)
}

// reportSchemaError reports the innermost causes of a validation error.
func reportSchemaError(err error, seq int64, report func(Problem)) {
	if err == nil {
		return
	}
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		report(Problem{Code: ProblemSchema, Level: LevelError, Seq: seq, Message: err.Error()})
		return
	}
	if len(failed.Causes) == 0 {
		report(Problem{
			Code: ProblemSchema, Level: LevelError, Seq: seq, Path: failed.InstanceLocation,
			Message: failed.Message + " (" + path.Base(failed.AbsoluteKeywordLocation) + ")",
		})
		return
	}
	for _, cause := range failed.Causes {
		reportSchemaError(cause, seq, report)
	}
}
