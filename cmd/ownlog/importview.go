package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// importView shows an import as it goes: a line for every log that is new or has
// grown and every file that failed; on a terminal a count of files in between.
type importView struct {
	out      stickyWriter
	err      io.Writer
	json     bool
	verbose  bool
	progress *progressLine
	grown    map[format.LogID]bool // logs with new entries; whether they are sealed
	report   schema.Fidelity       // of all files
}

func newImportView(s *session, c *cli.Context) *importView {
	return &importView{
		out: stickyWriter{w: s.Out}, err: s.Err, json: c.Bool("json"), verbose: c.Bool("verbose"),
		progress: newProgressLine(s.Err), grown: make(map[format.LogID]bool),
	}
}

// file shows one file.
func (v *importView) file(r convert.FileResult) {
	for _, o := range r.Outcomes {
		if o.Appended > 0 {
			sealed, known := v.grown[o.Log]
			v.grown[o.Log] = o.Sealed && (sealed || !known)
		}
		if o.Report != nil {
			v.report.Merge(o.Report)
		}
	}
	if v.json {
		_ = printJSON(&v.out, importFileJSON(r)) // v.out keeps the error for finish
		return
	}
	v.progress.clear()
	for _, o := range r.Outcomes {
		if o.Appended > 0 || v.verbose {
			fmt.Fprintf(&v.out, "%-9s  %-11s  %s  %s\n", o.Status, r.Vendor, o.Head, r.Path)
		}
		if o.Pending > 0 {
			fmt.Fprintf(v.err, "ownlog: %s: the last %d bytes are an unfinished record, on line %d, from offset %d; they wait for the rest (--final takes them as they are)\n",
				r.Path, o.Pending, o.PendingLine, o.Bytes-o.Pending)
		}
	}
	switch {
	case r.Status == convert.FileFailed:
		fmt.Fprintf(v.err, "ownlog: %s: %s\n", r.Path, r.Reason)
	case v.verbose && len(r.Outcomes) == 0:
		fmt.Fprintf(&v.out, "%-9s  %-11s  %s  %s\n", r.Status, r.Vendor, r.Path, r.Reason)
	}
	v.progress.count()
}

// finish shows the totals.
func (v *importView) finish(sum *convert.ImportSummary) error {
	if v.json {
		return printJSON(&v.out, importSummaryJSON(sum, v.report.Items()))
	}
	v.progress.clear()
	found := false
	for _, p := range sum.Places {
		found = found || p.Found
	}
	if !found {
		fmt.Fprintln(&v.out, "no sessions found; looked in:")
		for _, p := range sum.Places {
			fmt.Fprintf(&v.out, "  %-11s  %s\n", p.Vendor, p.Path)
		}
		return v.out.err
	}
	fmt.Fprintf(&v.out, "%d files imported, %d unchanged, %d refused with a reason, %d failed; %d entries added to %d logs\n",
		sum.Files[convert.FileImported], sum.Files[convert.FileUnchanged], sum.Files[convert.FileRefused], sum.Files[convert.FileFailed],
		sum.Appended, len(v.grown))
	if verified, recorded := v.requests(); recorded > 0 {
		fmt.Fprintf(&v.out, "  verified %d of %d provider requests\n", verified, recorded)
	}
	for _, f := range sum.Findings {
		fmt.Fprintf(&v.out, "  finding: %s, %d times, first at %s\n", f.Code, f.Count, f.Where)
	}
	return v.out.err
}

// stickyWriter remembers the first error and writes nothing after it, so that
// what is imported is imported even if nobody can be told at once.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(p []byte) (n int, err error) {
	if s.err == nil {
		n, s.err = s.w.Write(p)
	}
	return n, s.err
}

// requests returns how many provider requests the new transcripts record, and how
// many of them could be rebuilt to their digests.
func (v *importView) requests() (verified, recorded int64) {
	for _, it := range v.report.Items() {
		switch it.Code {
		case claudecode.CodeRequestVerified:
			verified += it.Count
			recorded += it.Count
		case claudecode.CodeRequestUnverified:
			recorded += it.Count
		}
	}
	return verified, recorded
}

// importFile is the JSON document for one file.
type importFile struct {
	Schema   string             `json:"schema"`
	Path     string             `json:"path"`
	Vendor   string             `json:"vendor,omitzero"`
	Kind     convert.ClaimKind  `json:"kind,omitzero"`
	Bytes    int64              `json:"bytes"`
	Status   convert.FileStatus `json:"status"`
	Reason   string             `json:"reason,omitzero"`
	Outcomes []importOutcome    `json:"outcomes,omitzero"`
}

type importOutcome struct {
	Log      string                `json:"log"`
	Kind     convert.LogKind       `json:"kind"`
	Status   convert.OutcomeStatus `json:"status"`
	Head     string                `json:"head"`
	SHA256   string                `json:"sha256,omitzero"`
	Records  int64                 `json:"records"`
	Appended int64                 `json:"appended"`
	Pending  int64                 `json:"pending,omitzero"`
	Line     int64                 `json:"pending_line,omitzero"`
	Findings []convert.Finding     `json:"findings,omitzero"`
	Fidelity []schema.FidelityItem `json:"fidelity,omitzero"`
}

func importFileJSON(r convert.FileResult) importFile {
	doc := importFile{
		Schema: "ownlog.import.file/1", Path: r.Path, Vendor: r.Vendor, Kind: r.Kind, Bytes: r.Bytes, Status: r.Status, Reason: r.Reason,
	}
	for _, o := range r.Outcomes {
		var fidelity []schema.FidelityItem
		if o.Report != nil {
			fidelity = o.Report.Items()
		}
		doc.Outcomes = append(doc.Outcomes, importOutcome{
			Log: o.Log.String(), Kind: o.Name.Kind, Status: o.Status, Head: o.Head.String(), SHA256: o.SHA256,
			Records: o.Records, Appended: o.Appended, Pending: o.Pending, Line: o.PendingLine, Findings: o.Findings, Fidelity: fidelity,
		})
	}
	return doc
}

// importSummary is the JSON document for the run.
type importSummary struct {
	Schema   string                          `json:"schema"`
	Places   []importPlace                   `json:"places"`
	Files    map[convert.FileStatus]int64    `json:"files"`
	Bytes    map[convert.FileStatus]int64    `json:"bytes"`
	Logs     map[convert.OutcomeStatus]int64 `json:"logs"`
	Appended int64                           `json:"appended"`
	Findings []convert.Finding               `json:"findings,omitzero"`
	Fidelity []schema.FidelityItem           `json:"fidelity,omitzero"`
}

type importPlace struct {
	Path   string `json:"path"`
	Vendor string `json:"vendor,omitzero"`
	Found  bool   `json:"found"`
}

func importSummaryJSON(sum *convert.ImportSummary, fidelity []schema.FidelityItem) importSummary {
	doc := importSummary{
		Schema: "ownlog.import/1", Files: sum.Files, Bytes: sum.Bytes, Logs: sum.Logs, Appended: sum.Appended, Findings: sum.Findings, Fidelity: fidelity,
	}
	for _, p := range sum.Places {
		doc.Places = append(doc.Places, importPlace(p))
	}
	return doc
}

// progressLine is a counter that overwrites itself, on a terminal only.
type progressLine struct {
	w     io.Writer // nil: not a terminal
	files int
	shown time.Time
}

func newProgressLine(w io.Writer) *progressLine {
	if e, ok := w.(*terminalEscaper); ok && isTerminal(e.w) {
		return &progressLine{w: e.w}
	}
	return &progressLine{}
}

// count counts a file and shows the count now and then.
func (p *progressLine) count() {
	p.files++
	if p.w == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.w, "\r%d files", p.files)
}

// clear wipes the line.
func (p *progressLine) clear() {
	if p.w != nil && !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\033[K")
		p.shown = time.Time{}
	}
}
