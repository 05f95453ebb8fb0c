package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Report is what the newest import of a log says of the content that the log
// holds now.
type Report struct {
	Records  int64                 `json:"records"`
	Fidelity []schema.FidelityItem `json:"fidelity"`
	Findings []Finding             `json:"findings,omitzero"`
}

// Report returns the report of a log; ok is false if there is none, as for logs
// that were never imported.
func (im *Imports) Report(log format.LogID) (r Report, ok bool, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	known, err := im.load(log)
	switch {
	case err != nil:
		return r, false, err
	case known.report != nil:
		return *known.report, true, nil
	case im.dir == "":
		return r, false, nil
	}
	b, err := os.ReadFile(im.reportPath(log))
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r, jsontext.AllowInvalidUTF8(true))
	}
	if err != nil {
		return Report{}, false, fmt.Errorf("import report of log %s: %w; import the source again", log, err)
	}
	return r, true, nil
}

// putReport remembers what an import said of a log. An import of an earlier state
// of what the log holds says nothing of the log as it is.
func (im *Imports) putReport(o *Outcome) error {
	if o.Status == OutcomePrefix || o.Report == nil || o.Head.Size == 0 {
		return nil
	}
	r := Report{Records: o.Records, Fidelity: o.Report.Items(), Findings: o.Findings}
	im.mu.Lock()
	defer im.mu.Unlock()
	known, err := im.load(o.Log)
	if err != nil {
		return err
	}
	if known.report != nil && reflect.DeepEqual(*known.report, r) {
		return nil
	}
	known.report = &r
	im.keep(o.Log, known)
	if im.dir == "" {
		return nil
	}
	line, err := json.Marshal(struct {
		Report *Report `json:"report"`
	}{&r}, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err == nil {
		// Not synced: it can be made again from the source.
		_, err = appendLine(im.logPath(o.Log), line, false)
	}
	if err != nil {
		return fmt.Errorf("import report of log %s: %w", o.Log, err)
	}
	return nil
}

// reportPath is where older stores have the report of a log.
func (im *Imports) reportPath(log format.LogID) string {
	return filepath.Join(im.dir, "reports", log.String()+".json")
}
