package format

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	manifestName = "ownlog-pack.json"
	maxManifest  = 64 << 20
	packVersion  = 1
)

// manifest is the first member of a pack.
type manifest struct {
	Version int `json:"ownlog"`
	// Heads are those of the logs that were asked for, Ancestors those of the
	// logs they are forks of.
	Heads     []string       `json:"heads"`
	Ancestors []string       `json:"ancestors"`
	Imports   jsontext.Value `json:"imports,omitzero"`
}

// PackReport says what is in a pack.
type PackReport struct {
	// Heads are those of the logs that were asked for, Ancestors those of the
	// logs they are forks of.
	Heads, Ancestors []Head
	// Blobs counts the blobs.
	Blobs int
	// Imports is a JSON value that Pack was given.
	Imports jsontext.Value
}

// Pack writes logs, their ancestors and the blobs they refer to as one tar.
// imports, which may be nil, is a JSON value that goes along; the format does
// not look at it. Logs may be appended to meanwhile; the pack ends at the heads
// that it names.
func (s *DirStore) Pack(ctx context.Context, w io.Writer, logs []LogID, imports jsontext.Value) (PackReport, error) {
	p := packer{store: s, tar: tar.NewWriter(w), blobs: map[Hash]bool{}}
	p.report.Imports = imports
	err := p.run(ctx, logs)
	if err == nil {
		err = p.tar.Close()
	}
	if err != nil {
		return p.report, fmt.Errorf("pack: %w", err)
	}
	return p.report, nil
}

type packer struct {
	store  *DirStore
	tar    *tar.Writer
	report PackReport
	blobs  map[Hash]bool
}

func (p *packer) run(ctx context.Context, logs []LogID) error {
	if err := p.plan(ctx, logs); err != nil {
		return err
	}
	m := manifest{Version: packVersion, Heads: headStrings(p.report.Heads), Ancestors: headStrings(p.report.Ancestors), Imports: p.report.Imports}
	b, err := json.Marshal(&m, json.Deterministic(true))
	if err != nil {
		return err
	}
	if err := p.member(manifestName, int64(len(b)), bytes.NewReader(b)); err != nil {
		return err
	}
	all := append(slices.Clone(p.report.Ancestors), p.report.Heads...)
	for _, h := range all {
		if err := p.packBlobs(ctx, h); err != nil {
			return fmt.Errorf("log %s: %w", h.Log, err)
		}
	}
	for _, h := range all {
		if err := p.packLog(ctx, h); err != nil {
			return fmt.Errorf("log %s: %w", h.Log, err)
		}
	}
	return nil
}

func headStrings(heads []Head) []string {
	list := []string{}
	for _, h := range heads {
		list = append(list, h.String())
	}
	return list
}

// plan finds the ancestors, oldest first, and all heads.
func (p *packer) plan(ctx context.Context, logs []LogID) error {
	seen := map[LogID]bool{}
	for _, log := range logs {
		seen[log] = true
	}
	done := map[LogID]bool{}
	for _, log := range logs {
		if done[log] {
			continue
		}
		done[log] = true
		h, err := p.store.Head(ctx, log, -1)
		if err != nil {
			return err
		}
		p.report.Heads = append(p.report.Heads, h)
		v := p.store.newVerifier(log, VerifyOptions{}, nil)
		lineage, err := v.lineage()
		if err != nil {
			return err
		}
		for _, k := range lineage {
			if k.missing {
				return fmt.Errorf("log %s, which log %s is a fork of, is missing: %w", k.log, log, ErrIncomplete)
			}
			if seen[k.log] {
				continue
			}
			seen[k.log] = true
			h, err := p.store.Head(ctx, k.log, -1)
			if err != nil {
				return err
			}
			p.report.Ancestors = append(p.report.Ancestors, h)
		}
	}
	return nil
}

// member writes one file.
func (p *packer) member(name string, size int64, r io.Reader) error {
	h := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, Format: tar.FormatPAX}
	if err := p.tar.WriteHeader(&h); err != nil {
		return err
	}
	n, err := io.Copy(p.tar, r)
	if err == nil && n != size {
		err = fmt.Errorf("%s: %w: %d of %d bytes", name, io.ErrUnexpectedEOF, n, size)
	}
	return err
}

// packBlobs writes the blobs that a log's own entries refer to.
func (p *packer) packBlobs(ctx context.Context, h Head) error {
	t, err := p.store.originOf(h.Log)
	if err != nil {
		return err
	}
	for e, err := range p.store.Read(ctx, h.Log, t.begins()) {
		if err != nil {
			return err
		}
		if e.Seq >= h.Size {
			return nil
		}
		f, _ := factsOf(e.Seq, e.Bytes, members{})
		for _, ref := range f.blobs {
			if p.blobs[ref.digest] {
				continue
			}
			p.blobs[ref.digest] = true
			if err := p.packBlob(ctx, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *packer) packBlob(ctx context.Context, ref blobRef) error {
	r, err := p.store.OpenBlob(ctx, ref.digest)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read from
	p.report.Blobs++
	name := ref.digest.String()
	// A byte more than the size makes a blob that is too long an error, and the
	// reader compare the digest of one that is not.
	return p.member(path.Join(blobsDir, "sha256", name[:2], name), ref.size, &exactReader{r: r, left: ref.size})
}

// exactReader reads left bytes, and makes sure that r ends there.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(b []byte) (int, error) {
	if e.left > 0 {
		n, err := e.r.Read(b[:min(int64(len(b)), e.left)])
		e.left -= int64(n)
		if err == io.EOF && e.left == 0 {
			err = nil
		}
		return n, err
	}
	var more [1]byte
	n, err := e.r.Read(more[:])
	if n > 0 {
		return 0, fmt.Errorf("blob is longer than its reference says")
	}
	if err == nil {
		return 0, nil
	}
	return 0, err
}

// packLog writes a log's segments up to h. Its lock is held shared, so that they
// keep their form meanwhile.
func (p *packer) packLog(ctx context.Context, h Head) error {
	unlock, _, err := p.store.lockShared(ctx, h.Log)
	if err != nil {
		return err
	}
	defer unlock()
	chain, err := p.store.chain(h.Log)
	if err != nil {
		return err
	}
	for i, f := range chain {
		if f.first >= h.Size && i > 0 {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.sealed && f.end <= h.Size {
			err = p.packSealed(h.Log, f)
		} else {
			err = p.packText(h.Log, f, min(f.end, h.Size))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) packSealed(log LogID, f span) error {
	file, err := p.store.fs.Open(f.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	st, err := file.Stat()
	if err != nil {
		return err
	}
	return p.member(path.Join(logsDir, log.String(), segmentName(f.first, sealedSuffix)), st.Size, io.NewSectionReader(file, 0, st.Size))
}

// packText writes the lines up to end and a seal.
func (p *packer) packText(log LogID, f span, end int64) error {
	size, seal, err := p.sealText(log, f, end)
	if err != nil {
		return err
	}
	r, file, err := p.store.spanReader(log, f)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	text := io.LimitReader(&blockReader{src: r.src}, size)
	name := path.Join(logsDir, log.String(), segmentName(f.first, textSuffix))
	return p.member(name, size+int64(len(seal)), io.MultiReader(text, bytes.NewReader(seal)))
}

// sealText reads the lines up to end; it returns how long they are and the line
// that seals them, with the LF in front that the last one may lack.
func (p *packer) sealText(log LogID, f span, end int64) (size int64, seal []byte, err error) {
	r, h, file, err := p.store.openSpan(log, f)
	if err != nil {
		return 0, nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	tree := h.frontier.Clone()
	size = r.off
	for tree.Size() < end {
		l, _, err := r.next()
		if err == io.EOF || err == nil && l.kind == lineSeal {
			return 0, nil, fmt.Errorf("%s: %w: it ends before entry %d: copy the log again", f.path, ErrIncomplete, tree.Size())
		}
		if err != nil {
			return 0, nil, err
		}
		tree.Push(l.leaf())
		size = r.off
	}
	if r.unended {
		seal = append(seal, '\n')
	}
	return size, appendSealLine(seal, logSum(log), end, tree.Root()), nil
}

// blockReader makes an io.Reader of a blockSource.
type blockReader struct {
	src  blockSource
	left []byte
}

func (b *blockReader) Read(p []byte) (int, error) {
	for len(b.left) == 0 {
		var err error
		if b.left, _, err = b.src.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// UnpackOptions bound what a pack may do.
type UnpackOptions struct {
	// MaxBytes is how much is unpacked at most; 0: [DefaultUnpackLimit].
	MaxBytes int64
}

// DefaultUnpackLimit is how many bytes a pack may hold unless told otherwise.
const DefaultUnpackLimit = 64 << 30

// ErrPack is wrapped by errors about a pack that is not one, or not whole.
var ErrPack = errors.New("not a valid pack")

// Unpack adds the logs and blobs of a pack to the store. Everything in a pack is
// hostile until it is proven: it is taken apart in a directory of its own, every
// blob is hashed, every log verified up to the head that the pack names; only
// then anything is moved. A log that the store has must be a prefix of the one
// in the pack or an extension of it, else nothing is done and a
// [*DivergedError] returned.
func (s *DirStore) Unpack(ctx context.Context, r io.Reader, opts UnpackOptions) (PackReport, error) {
	if s.readOnly {
		return PackReport{}, fmt.Errorf("unpack: %w", ErrReadOnly)
	}
	u, err := s.newUnpacker(opts)
	if err == nil {
		err = errors.Join(u.run(ctx, r), u.close())
	}
	if err != nil {
		return PackReport{}, fmt.Errorf("unpack: %w", err)
	}
	return u.report, nil
}

// DivergedError: a log in the store and one in a pack have the same id and
// neither begins with the other.
type DivergedError struct {
	Log             LogID
	InStore, InPack Head
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("log %s is in the store as %s and in the pack as %s, and neither begins with the other", e.Log, e.InStore, e.InPack)
}

// packName is the name of a member, taken apart.
type packName struct {
	log    LogID
	first  int64
	sealed bool
	digest Hash
	kind   packKind
}

type packKind uint8

const (
	packManifest packKind = iota + 1
	packSegment
	packBlob
	packNote
)

// parsePackName accepts the names that a pack may hold, in their one spelling.
func parsePackName(name string) (packName, bool) {
	if name == manifestName {
		return packName{kind: packManifest}, true
	}
	parts := strings.Split(name, "/")
	switch {
	case len(parts) == 3 && parts[0] == logsDir:
		log, err := ParseLogID(parts[1])
		first, sealed, ok := parseSegmentName(parts[2])
		return packName{kind: packSegment, log: log, first: first, sealed: sealed}, err == nil && ok
	case len(parts) == 4 && parts[0] == blobsDir && parts[1] == "sha256":
		digest, err := ParseHash(parts[3])
		return packName{kind: packBlob, digest: digest}, err == nil && parts[2] == parts[3][:2]
	case len(parts) == 3 && parts[0] == notesDir:
		log, err := ParseLogID(parts[1])
		n, end, ok := number([]byte(parts[2]), 0)
		return packName{kind: packNote, log: log, first: n}, err == nil && ok && end == len(parts[2])
	}
	return packName{}, false
}

// notesDir holds signed heads.
const notesDir = "notes"

// packPath is where a member of a pack belongs below a store's directory.
func packPath(name string) string { return filepath.FromSlash(name) }
