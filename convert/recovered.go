package convert

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// UnansweredText tells a model what is known of a call whose result the log does
// not hold: how it ended, and what it printed.
func UnansweredText(ctx context.Context, store format.Store, log format.LogID, r *schema.Result) (string, error) {
	if !r.Recovered {
		if r.NotStarted {
			return "[This call was not started: the session ended before it was allowed to run.]", nil
		}
		return "[The outcome of this call is unknown: the session ended before a result was recorded. It may have run.]", nil
	}
	output, err := recoveredOutput(ctx, store, log, r.OutcomeSeq)
	if err != nil {
		return "", err
	}
	ended := fmt.Sprintf("It ended with status %s", r.Status)
	if r.ExitCode != nil {
		ended += fmt.Sprintf(" and exit code %d", *r.ExitCode)
	}
	if output == "" {
		return "[The output of this call was not recorded. " + ended + ".]", nil
	}
	return "[This call was not answered. " + ended + ", and printed:]\n" + output, nil
}

// recoveredOutput returns what a call printed whose answer the log does not hold,
// although its outcome names a structured result in the vendor's record: Codex
// keeps a command's output there (aggregated_output, 0.169.0). seq is the entry
// that tells the outcome. It returns nothing if there is no such output: the
// record is looked at for what it may hold, and not relied on.
func recoveredOutput(ctx context.Context, store format.Store, log format.LogID, seq int64) (string, error) {
	var output string
	err := WalkEvents(ctx, store, log, seq, seq+1, func(e LogEvent) error {
		if e.Event == nil {
			return nil
		}
		result, ok := e.Event.Data.(*schema.ToolResult)
		if !ok || result.Structured == nil {
			return nil
		}
		structured := result.Structured
		var pointer struct {
			At string `json:"at"`
		}
		if json.Unmarshal(structured, &pointer) == nil && pointer.At != "" {
			record, err := RecordBytes(ctx, store, e.Event, e.Raw)
			if err != nil {
				return err
			}
			structured = valueAt(record, jsontext.Pointer(pointer.At))
		}
		var said struct {
			Output string `json:"aggregated_output"`
		}
		if json.Unmarshal(structured, &said, lenientMembers) == nil {
			output = strings.ToValidUTF8(said.Output, "\ufffd")
		}
		return nil
	})
	return output, err
}

var lenientMembers = json.JoinOptions(lenient...)

// valueAt returns the value that a pointer through objects names in a record, nil
// if there is none.
func valueAt(record []byte, at jsontext.Pointer) jsontext.Value {
	dec := jsontext.NewDecoder(bytes.NewReader(record), lenient...)
	for {
		if _, err := dec.ReadToken(); err != nil {
			return nil
		}
		if kind, n := dec.StackIndex(dec.StackDepth()); kind != '{' || n%2 == 0 {
			continue // no name was read
		}
		switch here := dec.StackPointer(); {
		case here == at:
			v, err := dec.ReadValue()
			if err != nil {
				return nil
			}
			return v
		case !strings.HasPrefix(string(at), string(here)+"/"):
			if err := dec.SkipValue(); err != nil {
				return nil
			}
		}
	}
}
