package opencode

import (
	"cmp"
	"context"
	"fmt"

	"github.com/ownlog/ownlog/convert"
)

// VendorName is OpenCode's name on the command line and in entries.
const VendorName = "opencode"

// Vendor is OpenCode. The zero Vendor is ready.
type Vendor struct {
	// Command is the tool's own command, which only [Vendor.Register] runs.
	// Empty: `opencode`, looked up in the PATH.
	Command string

	// Of what is read whole, in bytes; 0: maxInline, maxTreeFile for files of a
	// legacy tree, and [convert.MaxRecord] for files of `opencode export`.
	limit, exportLimit int64
}

// optionEvents asks for the rows of table event, the tool's own history of
// snapshots. They repeat what the other rows say and take about three times
// their bytes.
const optionEvents = "events"

// Name implements [convert.Vendor].
func (Vendor) Name() string { return VendorName }

// Import implements [convert.Vendor]. Of the options it knows `events`.
func (v Vendor) Import(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	switch src.Kind {
	case convert.ClaimDatabase:
		return importDatabase(ctx, m, src, cmp.Or(v.limit, maxInline))
	case convert.ClaimTree:
		return importTree(ctx, m, src, cmp.Or(v.limit, maxTreeFile))
	case convert.ClaimTranscript:
		return importExportFile(ctx, m, src, cmp.Or(v.limit, maxInline), cmp.Or(v.exportLimit, convert.MaxRecord))
	}
	return fmt.Errorf("%s: not a kind of source that OpenCode has: %q", src.Group, src.Kind)
}

// sessionName names the log of a session.
func sessionName(session string) convert.LogName {
	return convert.LogName{Vendor: VendorName, Kind: convert.LogSession, ID: session}
}

// projectName names the log of what a project's sessions share: its own row and
// the permissions given for good. It is joined by its derived id alone.
func projectName(project string) convert.LogName {
	return convert.LogName{Vendor: VendorName, Kind: convert.LogAssets, ID: project}
}
