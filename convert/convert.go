package convert

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Vendor is a format that sessions are imported from and exported to.
type Vendor interface {
	// Name is the vendor's name on the command line and in Source.Vendor.
	Name() string
	// DefaultRoots returns the folders and files where the vendor's tool keeps
	// sessions on this machine, whether they exist or not.
	DefaultRoots(env Environment) []string
	// Claim says what a file is to this vendor, from its place and its first
	// bytes. It does not read further.
	Claim(file File) Claim
	// Import reads one source and mirrors it into the store. Findings about the
	// content go to the result's report; the error is for what stopped the
	// import. It does not close or change the source.
	Import(ctx context.Context, m *Mirror, src Source) error
	// Export gives a log back as the vendor's own files.
	Export(ctx context.Context, req ExportRequest) error
}

// Guard is a [Vendor] that knows files by their place which must not be opened.
type Guard interface {
	// Guarded says why the file is not to be opened; empty if it may be. It is
	// asked before anything of the file is read; f.Head is nil.
	Guarded(f File) (reason string)
}

// Environment is what discovery may know of the machine.
type Environment struct {
	Home   string
	Getenv func(string) string
}

// File is a candidate for import.
type File struct {
	// Path is where to open it. It appears in messages and import records, never
	// in an entry.
	Path string
	// Rel is its path below the root that was searched, with slashes.
	Rel     string
	Size    int64
	ModTime time.Time
	Mode    fs.FileMode
	// Head are the first bytes, at most [SniffSize]; valid during the call.
	Head []byte
}

// SniffSize is how many of a file's first bytes [Vendor.Claim] gets to see.
const SniffSize = 64 << 10

// Claim is a vendor's answer to a file.
type Claim struct {
	Kind ClaimKind
	// Group joins the files that are one source: a database and its -wal, the
	// files of a legacy tree, a session's side files. Empty: the file alone.
	Group string
	// Reason says why a file that looks like the vendor's is not imported.
	Reason string
}

// ClaimKind says what a file is.
type ClaimKind string

// The kinds of claims.
const (
	ClaimNone       ClaimKind = ""           // not this vendor's
	ClaimTranscript ClaimKind = "transcript" // an append-only session file
	ClaimSide       ClaimKind = "side"       // belongs to a session; goes to its assets log
	ClaimDatabase   ClaimKind = "database"
	ClaimTree       ClaimKind = "tree"    // one file of many that make a session
	ClaimRefused    ClaimKind = "refused" // this vendor's, but not history, secret, or unreadable: see Reason
)

// Source is what one import reads: the files of one claim group.
type Source struct {
	Vendor string
	Kind   ClaimKind
	Group  string
	Files  []File
	// Open opens one of the files for reading.
	Open func(ctx context.Context, f File) (io.ReadCloser, error)
	// Final says that nothing will be added any more: an unfinished last record
	// is imported as damaged instead of waiting for its rest.
	Final bool
	// ParentMissing says that the session this one continues is not to be had:
	// import it on its own, with a finding, instead of a [NeedsParentError].
	ParentMissing bool
	// Projects limit which sessions are imported. A source of one session that is
	// left out is an [OtherProjectError].
	Projects Projects
	// Options are the vendor's own, by flag name.
	Options map[string]string
}

// ExportRequest says what to export and where to.
type ExportRequest struct {
	Store format.Store
	Log   format.LogID
	// Size is how many entries to export, negative for all.
	Size int64
	// Imports are the store's import records, nil if there are none.
	Imports *Imports
	// SHA256 picks, of several contents known to end at Size, the one with this
	// digest (64 hexadecimal digits).
	SHA256 string
	// Options are the vendor's own, by flag name.
	Options map[string]string
	// Out takes the files.
	Out Output
	// Report takes what was preserved, changed and lost.
	Report *schema.Fidelity
}

// Output takes the files of an export. Implementations write to a temporary
// file, sync and rename, refuse names that leave the target, and never
// overwrite unless told to.
type Output interface {
	// Create makes a file; name is relative, with slashes. The file is in place
	// after Close, and not at all if Close is not reached.
	Create(name string) (io.WriteCloser, error)
}

// Registry finds vendors by name. The zero Registry is empty. It is not changed
// after it is made, and then safe for concurrent use.
type Registry struct{ vendors []Vendor }

// NewRegistry returns a registry of the vendors, in the order in which they are
// asked about files.
func NewRegistry(vendors ...Vendor) *Registry { return &Registry{vendors: vendors} }

// Vendors yields the vendors in order.
func (r *Registry) Vendors() iter.Seq[Vendor] {
	return func(yield func(Vendor) bool) {
		for _, v := range r.vendors {
			if !yield(v) {
				return
			}
		}
	}
}

// Lookup returns the vendor of that name, nil if there is none.
func (r *Registry) Lookup(name string) Vendor {
	for _, v := range r.vendors {
		if v.Name() == name {
			return v
		}
	}
	return nil
}
