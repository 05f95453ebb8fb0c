package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Severity says what a problem means.
type Severity int

// The severities, from good to bad. A log's status is that of its worst problem.
const (
	// SeverityOK: nothing is wrong; a note.
	SeverityOK Severity = iota
	// SeverityTorn: the remains of an append that was never acknowledged.
	SeverityTorn
	// SeverityIncomplete: entries, a parent or a blob are missing. Copy again.
	SeverityIncomplete
	// SeverityUnsupported: written by a later version; not judged.
	SeverityUnsupported
	// SeverityCorrupt: bytes are not what was written.
	SeverityCorrupt
)

// String returns the name that spec/verification.md uses.
func (s Severity) String() string {
	return [...]string{"ok", "torn", "incomplete", "unsupported", "corrupt"}[s]
}

// Problem is one thing that verification found.
type Problem struct {
	Severity Severity
	Log      LogID
	// CorruptError says where and what; its Rule is a stable name. Offset and
	// Line count in the text; for a frame, the index or the seek table, Line is
	// 0 and Offset counts in the file.
	*CorruptError
}

// VerifyOptions say what to check beyond what is always checked.
type VerifyOptions struct {
	// Expect are heads that the log must have or extend.
	Expect []Head
	// Strict checks every entry with [CheckEntry].
	Strict bool
	// Problem, if set, is called with each problem as it is found.
	Problem func(Problem)
	// Entry, if set, is called with each readable entry of the log, its parents'
	// included, in order, so that meaning can be checked in the same pass. An
	// error ends the verification and is returned.
	Entry func(Entry) error
}

// VerifyReport is what verification found out about a log.
type VerifyReport struct {
	// Status is that of the worst problem.
	Status Severity
	// Head is that of the entries which were read without a gap from the first.
	Head Head
	// Problems is how many were found.
	Problems int
	// Entries and Holes count the lines that were read, Blobs the blobs.
	Entries, Holes, Blobs int64
	// TextBytes is the text that was checked, StoredBytes what it takes on disk.
	TextBytes, StoredBytes int64
}

// OK tells whether nothing is wrong: a torn tail holds nothing that was
// acknowledged.
func (r VerifyReport) OK() bool { return r.Status <= SeverityTorn }

// Verify reads everything that a log consists of, its parents' part and the
// blobs it refers to included, and reports all it can tell. Nothing is
// changed. The error is for what kept it from reading, not for what it found.
//
// It believes no header, index or claim: the head it returns is computed from
// the entries.
func (s *DirStore) Verify(ctx context.Context, log LogID, opts VerifyOptions) (VerifyReport, error) {
	// Segments change their form while others seal; what was found before is
	// thrown away then, and reported once.
	var problems []Problem
	var v *logVerifier
	var err error
	for range 5 {
		problems = nil
		v = s.newVerifier(log, opts, func(p Problem) { problems = append(problems, p) })
		if err = v.run(ctx); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if opts.Entry != nil && v.report.Entries > 0 {
			break
		}
	}
	for _, p := range problems {
		if opts.Problem != nil {
			opts.Problem(p)
		}
	}
	if err != nil {
		return v.report, fmt.Errorf("verify log %s: %w", log, err)
	}
	return v.report, nil
}

// VerifyFile checks one segment alone, text or sealed. It cannot tell whether
// its frontier is that of the log, whether holes are named and whether blobs
// are there.
func VerifyFile(ctx context.Context, path string, opts VerifyOptions) (VerifyReport, error) {
	v := &logVerifier{fs: osFS{}, opts: opts, found: opts.Problem, intact: true, claimed: true, holes: map[int64]hole{}}
	if err := v.runFile(ctx, path); err != nil {
		return v.report, fmt.Errorf("verify %s: %w", path, err)
	}
	return v.report, nil
}

// runFile verifies one segment.
func (v *logVerifier) runFile(ctx context.Context, path string) error {
	defer v.done()
	file, err := v.fs.Open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	first, sealed, named := parseSegmentName(filepath.Base(path))
	if !named {
		sealed = strings.HasSuffix(path, sealedSuffix)
	}
	h, err := v.anyHeader(file, path, sealed)
	if err != nil {
		return v.addErr(v.log, path, err)
	}
	v.log = h.log
	if !named {
		first = h.first
	}
	v.expect = slices.Clone(v.opts.Expect)
	p := partVerifier{logVerifier: v, kin: kin{log: h.log, fork: h.fork, path: path}, to: openEnd, pos: first}
	s := segmentVerifier{part: &p, span: span{first: first, end: openEnd, path: path, sealed: sealed}, to: openEnd}
	if sealed {
		err = s.run(ctx)
	} else {
		scan, serr := scanOpenSegment(file, path, h.log, first)
		err = s.runOpen(ctx, &openSnapshot{file: file, scan: scan, err: serr})
	}
	v.report.Head = Head{Log: v.log, Size: v.tree.Size(), Root: v.tree.Root()}
	v.checkExpected(true)
	return err
}

// anyHeader reads the header of a segment whose log is not known.
func (v *logVerifier) anyHeader(file fsFile, path string, sealed bool) (header, error) {
	src, err := headerSource(file, path, sealed)
	if err != nil {
		return header{}, err
	}
	r := segmentReader{path: path, src: src}
	raw, _, err := r.nextLine()
	if err == io.EOF {
		err = (&fault{ruleHeader, "empty segment", "a header", "end of the file"}).at(path, 0, 1, -1)
	}
	if err != nil {
		return header{}, err
	}
	// The log id is part of every checksum: take it from where it must stand.
	var id LogID
	if i := bytes.Index(raw, []byte(headerMember)); i >= 0 && len(raw) >= i+len(headerMember)+36 {
		id, _ = ParseLogID(string(raw[i+len(headerMember):][:36])) // a wrong one fails the checksum
	}
	h, bad, err := parseHeader(raw, logSum(id))
	if bad != nil {
		err = bad.at(path, 0, 1, -1)
	}
	return h, err
}
