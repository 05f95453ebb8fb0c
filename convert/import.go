package convert

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ownlog/ownlog/format"
)

// ImportOptions say what to import.
type ImportOptions struct {
	// Roots are files and folders to search. Empty: the vendors' default places.
	Roots []string
	// Vendor limits the import to one vendor's sessions; empty: all vendors.
	Vendor string
	Env    Environment
	// Since leaves out files that were not modified at or after that time.
	Since time.Time
	// Projects leave out sessions that worked elsewhere. A session that one of
	// them continues comes along.
	Projects Projects
	// Final takes unfinished last records as damaged instead of waiting.
	Final bool
	// DryRun compares and counts but writes nothing.
	DryRun bool
	// Options are the vendors' own, by flag name.
	Options map[string]string
	// Progress is called after every file, in order; nil: not at all.
	Progress func(FileResult)
}

// FileResult is what an import did with one file.
type FileResult struct {
	Path     string
	Vendor   string
	Kind     ClaimKind
	Bytes    int64
	Status   FileStatus
	Reason   string // why it was refused or failed
	Err      error  // set if it failed
	Outcomes []Outcome
}

// ImportSummary is what an import run did.
type ImportSummary struct {
	Places []Place
	Files  map[FileStatus]int64
	Bytes  map[FileStatus]int64
	Logs   map[OutcomeStatus]int64
	// Appended counts entries.
	Appended int64
	Findings []Finding
}

// Place is where an import looked.
type Place struct {
	Path   string
	Vendor string // whose default place it is; empty if the caller named it
	Found  bool
}

// Complete reports whether every byte is accounted for: imported, or refused with
// a reason.
func (s *ImportSummary) Complete() bool { return s.Files[FileFailed] == 0 }

// NeedsParentError: a source continues another session that is not in the store
// yet. The import run tries it again after all others.
type NeedsParentError struct{ Session string }

func (e *NeedsParentError) Error() string {
	return fmt.Sprintf("continues session %s, which is not in the store", e.Session)
}

// RefusedError: a source turned out, on reading it, not to be a session's. Its
// files are refused with the reason, as if [Vendor.Claim] had said so.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// PartialError: some files of a source could not be read. The others were
// imported, and are not read again before they change or the source is whole.
type PartialError struct{ Files map[string]error } // by path

func (e *PartialError) Error() string {
	first := ""
	for path := range e.Files {
		if first == "" || path < first {
			first = path
		}
	}
	return fmt.Sprintf("%d files cannot be read, %s: %v", len(e.Files), first, e.Files[first])
}

// ErrNothing: a source holds no complete record yet.
var ErrNothing = errors.New("holds no complete record yet")

// Import finds sessions and mirrors them into the store. Problems with single
// files are in their results; the error is for what stopped the run.
func Import(ctx context.Context, store format.Store, imports *Imports, reg *Registry, opts ImportOptions) (*ImportSummary, error) {
	run := &importRun{
		mirror:  NewMirror(store, imports, opts.DryRun),
		imports: imports, reg: reg, opts: opts,
		summary: &ImportSummary{
			Files: make(map[FileStatus]int64), Bytes: make(map[FileStatus]int64), Logs: make(map[OutcomeStatus]int64),
		},
		sources: make(map[sourceKey]*Source), unchanged: make(map[string]SourceRecord),
	}
	if err := run.search(ctx); err != nil {
		return run.summary, err
	}
	if err := run.importAll(ctx); err != nil {
		return run.summary, err
	}
	run.summary.Findings = run.findings.List()
	return run.summary, nil
}

// importRun is one call of Import.
type importRun struct {
	mirror   *Mirror
	imports  *Imports
	reg      *Registry
	opts     ImportOptions
	summary  *ImportSummary
	findings FindingCounts
	sources  map[sourceKey]*Source
	head     [SniffSize]byte // of the file that vendors are asked about
	order    []sourceKey
	left     []leftSource
	logs     map[format.LogID]bool // in the store
	// unchanged are the records of files that are as they were.
	unchanged map[string]SourceRecord
}

// leftSource is a source that is of another project.
type leftSource struct {
	src *Source
	err *OtherProjectError
}

type sourceKey struct {
	vendor string
	kind   ClaimKind
	group  string
}

// search walks all places and collects sources.
func (r *importRun) search(ctx context.Context) error {
	if r.opts.Vendor != "" && r.reg.Lookup(r.opts.Vendor) == nil {
		return fmt.Errorf("vendor %q is not known", r.opts.Vendor)
	}
	for _, root := range r.opts.Roots {
		if _, err := os.Stat(root); err != nil {
			return err
		}
		r.summary.Places = append(r.summary.Places, Place{Path: root, Found: true})
		if err := r.walk(ctx, root, r.asked()); err != nil {
			return err
		}
	}
	if len(r.opts.Roots) > 0 {
		return nil
	}
	for _, v := range r.asked() {
		for _, root := range v.DefaultRoots(r.opts.Env) {
			_, err := os.Stat(root)
			r.summary.Places = append(r.summary.Places, Place{Path: root, Vendor: v.Name(), Found: err == nil})
			if err != nil {
				continue
			}
			if err := r.walk(ctx, root, []Vendor{v}); err != nil {
				return err
			}
		}
	}
	return nil
}

// asked returns the vendors that are asked about files.
func (r *importRun) asked() []Vendor {
	var list []Vendor
	for v := range r.reg.Vendors() {
		if r.opts.Vendor == "" || v.Name() == r.opts.Vendor {
			list = append(list, v)
		}
	}
	return list
}

// walk looks at every file below root. Symbolic links below it are not followed.
func (r *importRun) walk(ctx context.Context, root string, vendors []Vendor) error {
	base := root
	if st, err := os.Stat(root); err == nil && !st.IsDir() {
		base = filepath.Dir(root)
	} else if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root, base = resolved, resolved
	}
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.done(FileResult{Path: name, Status: FileFailed, Reason: "cannot be read", Err: err})
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		info, err := os.Stat(name)
		if name != root || err != nil {
			info, err = d.Info()
		}
		if err != nil {
			r.done(FileResult{Path: name, Status: FileFailed, Reason: "cannot be read", Err: err})
			return nil
		}
		rel, err := filepath.Rel(base, name)
		if err != nil {
			return err
		}
		f := File{Path: name, Rel: filepath.ToSlash(rel), Size: info.Size(), ModTime: info.ModTime(), Mode: info.Mode()}
		r.look(f, vendors)
		return nil
	})
}

// look decides what a file is and notes the source it belongs to.
func (r *importRun) look(f File, vendors []Vendor) {
	refuse := func(vendor, reason string) {
		r.done(FileResult{Path: f.Path, Vendor: vendor, Bytes: f.Size, Status: FileRefused, Reason: reason})
	}
	switch {
	case f.Mode&fs.ModeSymlink != 0:
		refuse("", "a symbolic link; name its target to import it")
		return
	case !f.Mode.IsRegular():
		refuse("", "not a regular file")
		return
	case f.ModTime.Before(r.opts.Since):
		refuse("", "older than asked for")
		return
	}
	vendor, claim, err := r.claim(&f, vendors)
	switch {
	case err != nil:
		r.done(FileResult{Path: f.Path, Bytes: f.Size, Status: FileFailed, Reason: "cannot be read", Err: err})
	case claim.Kind == ClaimRefused:
		refuse(vendor, claim.Reason)
	case f.Size == 0 && claim.Kind != ClaimSide:
		refuse(vendor, "empty")
	case claim.Kind == ClaimNone:
		refuse("", "no session format known here")
	default:
		key := sourceKey{vendor, claim.Kind, claim.Group}
		if claim.Group == "" {
			key.group = f.Path
		}
		src := r.sources[key]
		if src == nil {
			src = &Source{Vendor: vendor, Kind: claim.Kind, Group: claim.Group, Open: openFile, Final: r.opts.Final, Projects: r.opts.Projects, Options: r.opts.Options}
			r.sources[key] = src
			r.order = append(r.order, key)
		}
		f.Head = nil
		src.Files = append(src.Files, f)
	}
}

// claim asks the vendors about a file, or remembers what they said.
func (r *importRun) claim(f *File, vendors []Vendor) (string, Claim, error) {
	if rec, ok := r.imports.Source(f.Path); ok && rec.unchanged(*f) && rec.Status == FileImported {
		for _, v := range vendors {
			if v.Name() == rec.Vendor {
				r.unchanged[f.Path] = rec
				return rec.Vendor, Claim{Kind: rec.Kind, Group: rec.Group}, nil
			}
		}
	}
	for _, v := range vendors {
		if g, ok := v.(Guard); ok {
			if reason := g.Guarded(*f); reason != "" {
				return v.Name(), Claim{Kind: ClaimRefused, Reason: reason}, nil
			}
		}
	}
	var err error
	if f.Head, err = readHead(f.Path, r.head[:]); err != nil {
		return "", Claim{}, err
	}
	refusedBy, refused := "", Claim{}
	for _, v := range vendors {
		c := v.Claim(*f)
		switch {
		case c.Kind == ClaimRefused && refusedBy == "":
			refusedBy, refused = v.Name(), c
		case c.Kind != ClaimNone && c.Kind != ClaimRefused:
			return v.Name(), c, nil
		}
	}
	return refusedBy, refused, nil
}

// readHead reads as much of a file's beginning into buf as fits.
func readHead(name string, buf []byte) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	n, err := io.ReadFull(f, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return buf[:n], errors.Join(err, f.Close())
}

func openFile(_ context.Context, f File) (io.ReadCloser, error) { return os.Open(f.Path) }

// unchanged tells by size and time whether a file is as it was.
func (rec SourceRecord) unchanged(f File) bool {
	return rec.Size == f.Size && rec.ModTime == f.ModTime.UnixNano()
}

// importAll imports the sources: transcripts from the shortest to the longest, so
// that an earlier state of a session comes before a later one, then the rest.
func (r *importRun) importAll(ctx context.Context) error {
	queue := make([]*Source, 0, len(r.order))
	for _, key := range r.order {
		// Before they are sorted, which reads those of one size.
		if src := r.sources[key]; !r.skip(ctx, src) {
			queue = append(queue, src)
		}
	}
	sortSources(queue)
	for len(queue) > 0 {
		var waiting []*Source
		wanted := make(map[string]bool) // sessions that others wait for
		for _, src := range queue {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := r.importSource(ctx, src)
			var needs *NeedsParentError
			if errors.As(err, &needs) && !src.ParentMissing {
				waiting = append(waiting, src)
				wanted[needs.Session] = true
				continue
			}
			var other *OtherProjectError
			if errors.As(err, &other) {
				r.left = append(r.left, leftSource{src, other})
				continue
			}
			r.finish(src, err)
		}
		if len(waiting) == len(queue) {
			found := r.takeBack(wanted)
			for _, src := range waiting {
				src.ParentMissing = len(found) == 0
			}
			waiting = append(found, waiting...)
		}
		queue = waiting
	}
	for _, l := range r.left {
		r.finish(l.src, l.err)
	}
	return nil
}

// takeBack returns the sources that were left out and hold one of the sessions,
// since sessions that were asked for continue them.
func (r *importRun) takeBack(wanted map[string]bool) (found []*Source) {
	left := r.left[:0]
	for _, l := range r.left {
		if !wanted[l.err.Session] {
			left = append(left, l)
			continue
		}
		l.src.Projects = nil
		found = append(found, l.src)
	}
	r.left = left
	return found
}

// skip reports a source none of whose files changed since it was imported.
func (r *importRun) skip(ctx context.Context, src *Source) bool {
	for _, f := range src.Files {
		rec, ok := r.unchanged[f.Path]
		if !ok || rec.Final != src.Final || !rec.covers(src.Projects) || !r.holds(ctx, rec) {
			return false
		}
	}
	for _, f := range src.Files {
		r.done(FileResult{Path: f.Path, Vendor: src.Vendor, Kind: src.Kind, Bytes: f.Size, Status: FileUnchanged})
	}
	return true
}

// covers tells whether an import under a limit was of all that is asked for now.
func (rec SourceRecord) covers(projects Projects) bool {
	return len(rec.Projects) == 0 || slices.Equal(rec.Projects, projects)
}

// holds tells whether the logs that a source went to are still there.
func (r *importRun) holds(ctx context.Context, rec SourceRecord) bool {
	for _, o := range rec.Outcomes {
		log, err := format.ParseLogID(o.Log)
		if err != nil {
			return false
		}
		if o.Entries > 0 && !r.inStore(ctx, log) {
			return false
		}
	}
	return true
}

// inStore tells whether a log is there. All logs are listed once.
func (r *importRun) inStore(ctx context.Context, log format.LogID) bool {
	if r.logs == nil {
		r.logs = make(map[format.LogID]bool)
		for id, err := range r.mirror.store.List(ctx) {
			if err != nil {
				break // what is not listed is asked for
			}
			r.logs[id] = true
		}
	}
	if !r.logs[log] {
		_, err := r.mirror.store.Info(ctx, log)
		r.logs[log] = err == nil
	}
	return r.logs[log]
}

func (r *importRun) importSource(ctx context.Context, src *Source) error {
	r.mirror.takeOutcomes()
	return r.reg.Lookup(src.Vendor).Import(ctx, r.mirror, *src)
}

// finish reports and records what became of a source.
func (r *importRun) finish(src *Source, err error) {
	outcomes := r.mirror.takeOutcomes()
	var refused *RefusedError
	var other *OtherProjectError
	var partial *PartialError
	errors.As(err, &partial)
	told := false // the outcomes are told with the first file that did not fail alone
	for _, f := range src.Files {
		res := FileResult{Path: f.Path, Vendor: src.Vendor, Kind: src.Kind, Bytes: f.Size, Status: FileImported}
		if partial != nil {
			err = partial.Files[f.Path]
		}
		if !told && (partial == nil || err == nil) {
			res.Outcomes, told = outcomes, true
		}
		switch {
		case errors.Is(err, ErrNothing):
			res.Status, res.Reason = FileRefused, ErrNothing.Error()
		case errors.As(err, &refused):
			res.Status, res.Reason = FileRefused, refused.Reason
		case errors.As(err, &other):
			res.Status, res.Reason = FileRefused, other.Error()
		case err != nil:
			res.Status, res.Reason, res.Err = FileFailed, err.Error(), err
		case !r.opts.DryRun:
			rec := SourceRecord{
				Path: f.Path, Vendor: src.Vendor, Kind: src.Kind, Group: src.Group, Final: src.Final, Projects: src.Projects,
				Size: f.Size, ModTime: f.ModTime.UnixNano(), Status: FileImported,
			}
			for _, o := range res.Outcomes {
				out := OutcomeRecord{Log: o.Log.String(), Entries: o.Head.Size}
				if o.Name.Kind == LogAssets {
					out.Session = o.Name.ID
				}
				rec.Outcomes = append(rec.Outcomes, out)
			}
			if err := r.record(rec, res.Outcomes); err != nil {
				res.Status, res.Reason, res.Err = FileFailed, "imported, but not recorded: "+err.Error(), err
			}
		}
		r.done(res)
	}
}

// record keeps what was learned of a source.
func (r *importRun) record(rec SourceRecord, outcomes []Outcome) error {
	for i := range outcomes {
		if err := r.imports.putReport(&outcomes[i]); err != nil {
			return err
		}
	}
	return r.imports.PutSource(rec)
}

// done counts a file and tells the caller.
func (r *importRun) done(res FileResult) {
	r.summary.Files[res.Status]++
	r.summary.Bytes[res.Status] += res.Bytes
	for _, o := range res.Outcomes {
		r.summary.Logs[o.Status]++
		r.summary.Appended += o.Appended
		for _, f := range o.Findings {
			r.findings.addN(f)
		}
	}
	if r.opts.Progress != nil {
		r.opts.Progress(res)
	}
}

// sortSources orders sources so that the logs do not depend on file names:
// transcripts by size, then by digest; side files, whose session must be known
// first, at the end.
func sortSources(list []*Source) {
	sums := make(map[*Source]string)
	bySize := make(map[int64]int)
	for _, s := range list {
		if s.Kind == ClaimTranscript {
			bySize[s.size()]++
		}
	}
	for _, s := range list {
		if s.Kind == ClaimTranscript && bySize[s.size()] > 1 {
			sum, err := fileSum(s.Files[0].Path)
			if err != nil {
				continue // unreadable: its import says so
			}
			sums[s] = sum
		}
	}
	slices.SortStableFunc(list, func(a, b *Source) int {
		return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.size(), b.size()), strings.Compare(sums[a], sums[b]))
	})
}

func rank(k ClaimKind) int {
	switch k {
	case ClaimTranscript:
		return 0
	case ClaimSide:
		return 2
	}
	return 1
}

func (s *Source) size() int64 {
	if s.Kind != ClaimTranscript {
		return 0
	}
	return s.Files[0].Size
}

func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return string(h.Sum(nil)), errors.Join(err, f.Close())
}
