package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	if im.dir == "" {
		r, ok = im.reports[log]
		return r, ok, nil
	}
	if lines, err := im.records.find(logKey(log)); err == nil && len(lines) > 0 {
		var line reportLine
		if json.Unmarshal(lines[0], &line, jsontext.AllowInvalidUTF8(true)) == nil {
			return line.Report, true, nil
		}
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
	if im.dir == "" {
		im.reports[o.Log] = r
		return nil
	}
	// Not synced: it can be made again from the source.
	if err := im.records.add(reportLine{o.Log.String(), r}, false); err != nil {
		return fmt.Errorf("import report of log %s: %w", o.Log, err)
	}
	return nil
}

// reportLine is a line of the journal of records.
type reportLine struct {
	Log    string `json:"log"`
	Report `json:",inline"`
}

// reportPath is where older stores have the report of a log.
func (im *Imports) reportPath(log format.LogID) string {
	return filepath.Join(im.dir, "reports", log.String()+".json")
}
