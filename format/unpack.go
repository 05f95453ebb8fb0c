package format

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
)

const (
	// maxMembers bounds the names that have to be remembered.
	maxMembers = 4 << 20
	maxNote    = 64 << 10
)

// unpacker takes a pack apart in a directory of its own.
type unpacker struct {
	store  *DirStore
	limit  int64
	stage  *DirStore // what was in the pack, with the store behind it
	report PackReport

	manifest *manifest
	seen     map[string]bool
	named    map[LogID]bool // by the manifest
	logs     map[LogID]bool // of which there are segments
	blobs    []Hash
	notes    []string
}

func (s *DirStore) newUnpacker(opts UnpackOptions) (*unpacker, error) {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultUnpackLimit
	}
	if err := s.makeDir(s.root); err != nil {
		return nil, err
	}
	name, f, err := s.createTemp(s.root)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Close(), s.fs.Remove(name)); err != nil {
		return nil, err
	}
	stage, err := OpenDirStore(name, withFS(s.fs), withFallback(s))
	if err != nil {
		return nil, err
	}
	stage.noSync = s.noSync
	return &unpacker{store: s, limit: opts.MaxBytes, stage: stage, seen: map[string]bool{}, logs: map[LogID]bool{}}, stage.makeDir(name)
}

// close removes the directory with whatever was not moved.
func (u *unpacker) close() error {
	err := u.stage.Close()
	if rerr := u.store.removeTree(u.stage.root); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

func (u *unpacker) run(ctx context.Context, r io.Reader) error {
	if err := u.extract(ctx, r); err != nil {
		return err
	}
	if err := u.verify(ctx); err != nil {
		return err
	}
	plan, err := u.compare(ctx)
	if err != nil {
		return err
	}
	return u.move(ctx, plan)
}

// extract writes the members into the directory.
func (u *unpacker) extract(ctx context.Context, r io.Reader) error {
	t := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPack, err)
		}
		if err := u.member(ctx, h, t); err != nil {
			return err
		}
	}
	if u.manifest == nil {
		return fmt.Errorf("%w: there is no %s", ErrPack, manifestName)
	}
	return nil
}

// member judges one member by its name and type and writes it.
func (u *unpacker) member(ctx context.Context, h *tar.Header, r io.Reader) error {
	name, ok := parsePackName(h.Name)
	switch {
	case !ok:
		return fmt.Errorf("%w: a member named %q", ErrPack, h.Name)
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("%w: %s is not a regular file", ErrPack, h.Name)
	case u.seen[h.Name]:
		return fmt.Errorf("%w: %s stands in it twice", ErrPack, h.Name)
	case (name.kind == packManifest) != (u.manifest == nil):
		return fmt.Errorf("%w: %s is not its first member", ErrPack, manifestName)
	case len(u.seen) >= maxMembers:
		return fmt.Errorf("%w: more than %d members", ErrPack, maxMembers)
	case h.Size < 0 || h.Size > u.limit:
		return fmt.Errorf("%w: %s has %d bytes, %d are left of the limit", ErrPack, h.Name, h.Size, u.limit)
	case name.kind == packNote && h.Size > maxNote:
		return fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrPack, h.Name, h.Size, maxNote)
	}
	u.seen[h.Name] = true
	u.limit -= h.Size
	if name.kind == packManifest {
		return u.readManifest(h, r)
	}
	digest, err := u.write(ctx, packPath(h.Name), r)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s is cut short: %w", ErrPack, h.Name, err)
	}
	if err != nil {
		return err
	}
	switch name.kind {
	case packBlob:
		if digest != name.digest {
			return fmt.Errorf("%w: %s has the digest %s", ErrPack, h.Name, digest)
		}
		u.blobs = append(u.blobs, digest)
	case packSegment:
		if !u.named[name.log] {
			return fmt.Errorf("%w: %s is of a log that the manifest does not name", ErrPack, h.Name)
		}
		u.logs[name.log] = true
	case packNote:
		u.notes = append(u.notes, packPath(h.Name))
	}
	return nil
}

func (u *unpacker) readManifest(h *tar.Header, r io.Reader) error {
	if h.Size > maxManifest {
		return fmt.Errorf("%w: its manifest has %d bytes", ErrPack, h.Size)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPack, err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%w: its manifest: %w", ErrPack, err)
	}
	if m.Version != packVersion {
		return fmt.Errorf("%w: version %d of the pack", ErrUnsupported, m.Version)
	}
	u.manifest = &m
	u.report.Imports = m.Imports
	u.named = map[LogID]bool{}
	for _, list := range []struct {
		from []string
		to   *[]Head
	}{{m.Heads, &u.report.Heads}, {m.Ancestors, &u.report.Ancestors}} {
		for _, text := range list.from {
			head, err := ParseHead(text)
			if err != nil || u.named[head.Log] {
				return fmt.Errorf("%w: head %q in its manifest", ErrPack, text)
			}
			u.named[head.Log] = true
			*list.to = append(*list.to, head)
		}
	}
	return nil
}

// heads returns all heads, ancestors first.
func (u *unpacker) heads() []Head {
	return append(slices.Clone(u.report.Ancestors), u.report.Heads...)
}

// write makes a file in the directory and returns its digest.
func (u *unpacker) write(ctx context.Context, rel string, r io.Reader) (digest Hash, err error) {
	path := filepath.Join(u.stage.root, rel)
	if err := u.stage.makeDir(filepath.Dir(path)); err != nil {
		return digest, err
	}
	f, err := u.store.fs.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return digest, err
	}
	sum := sha256.New()
	if _, err = copyAt(ctx, f, sum, r); err == nil {
		err = u.store.sync(f)
	}
	sum.Sum(digest[:0])
	return digest, errors.Join(err, f.Close())
}

// verify proves that every log has the head which the manifest gives.
func (u *unpacker) verify(ctx context.Context) error {
	for _, h := range u.heads() {
		var worst error
		r, err := u.stage.Verify(ctx, h.Log, VerifyOptions{Expect: []Head{h}, Problem: func(p Problem) {
			if worst == nil && p.Severity > SeverityTorn {
				worst = p.CorruptError
			}
		}})
		switch {
		case errors.Is(err, ErrNotFound):
			return fmt.Errorf("%w: log %s, which its manifest names, is not in it", ErrPack, h.Log)
		case err != nil:
			return err
		case !r.OK():
			return fmt.Errorf("%w: log %s: %w", ErrPack, h.Log, worst)
		case r.Head != h:
			return fmt.Errorf("%w: log %s has the head %s, its manifest says %s", ErrPack, h.Log, r.Head, h)
		}
	}
	return nil
}

// compare decides for every log that the store has what is missing in it: the
// entries from the size given on. Logs that are not in the plan are new.
func (u *unpacker) compare(ctx context.Context) (map[LogID]int64, error) {
	plan := map[LogID]int64{}
	for _, h := range u.heads() {
		have, err := u.store.Head(ctx, h.Log, -1)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		size := min(have.Size, h.Size)
		mine, err := u.store.Head(ctx, h.Log, size)
		if err != nil {
			return nil, err
		}
		theirs, err := u.stage.Head(ctx, h.Log, size)
		if err != nil {
			return nil, err
		}
		if mine.Root != theirs.Root {
			return nil, &DivergedError{Log: h.Log, InStore: have, InPack: h}
		}
		plan[h.Log] = have.Size
	}
	return plan, nil
}

// move puts blobs into the store, then logs, ancestors first.
func (u *unpacker) move(ctx context.Context, plan map[LogID]int64) error {
	if len(u.blobs) > 0 {
		if err := u.store.makeDir(filepath.Join(u.store.root, blobsDir, "sha256")); err != nil {
			return err
		}
		release, err := u.store.blobs.begin(ctx, u.store)
		if err != nil {
			return err
		}
		// The entries that name them are in place, or nothing does, when this returns.
		defer release(Hash{}, false)
	}
	for _, digest := range u.blobs {
		if err := u.store.nameBlob(u.stage.ownBlobPath(digest), digest); err != nil {
			return err
		}
		u.report.Blobs++
	}
	for _, h := range u.heads() {
		if !u.logs[h.Log] {
			continue
		}
		var err error
		if size, there := plan[h.Log]; there {
			err = u.extend(ctx, h, size)
		} else {
			err = u.moveLog(h.Log)
		}
		if err != nil {
			return fmt.Errorf("log %s: %w", h.Log, err)
		}
	}
	for _, rel := range u.notes {
		if err := u.moveNote(rel); err != nil {
			return err
		}
	}
	return nil
}

// moveLog moves a log that the store does not have.
func (u *unpacker) moveLog(log LogID) error {
	from, to := filepath.Join(u.stage.root, logsDir, log.String()), u.store.logDir(log)
	if err := u.store.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	// The files are durable; this makes their names so.
	if err := u.store.syncDir(from); err != nil {
		return err
	}
	// Somebody else may have made the log meanwhile: a directory with files is
	// not replaced by a rename.
	if err := u.store.fs.Rename(from, to); err != nil {
		return err
	}
	return u.store.syncDir(filepath.Dir(to))
}

// extend appends the entries that the store lacks.
func (u *unpacker) extend(ctx context.Context, h Head, size int64) error {
	var batch [][]byte
	bytes := 0
	flush := func() (err error) {
		size, err = u.store.Append(ctx, h.Log, size, batch)
		batch, bytes = batch[:0], 0
		return err
	}
	if size >= h.Size {
		// They may be there without being durable.
		_, err := u.store.Sync(ctx, h.Log)
		return err
	}
	for e, err := range u.stage.Read(ctx, h.Log, size) {
		if err != nil {
			return err
		}
		if e.Hole {
			return fmt.Errorf("entry %d of the pack was redacted and the store does not have it: remove the log and unpack again", e.Seq)
		}
		batch = append(batch, append([]byte(nil), e.Bytes...))
		if bytes += len(e.Bytes); bytes >= recoverBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// moveNote moves a signed head, unless the store has one of that size.
func (u *unpacker) moveNote(rel string) error {
	to := filepath.Join(u.store.root, rel)
	if err := u.store.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	err := u.store.fs.Link(filepath.Join(u.stage.root, rel), to)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if linkUnsupported(err) {
		err = u.store.fs.Rename(filepath.Join(u.stage.root, rel), to)
	}
	if err != nil {
		return err
	}
	return u.store.syncDir(filepath.Dir(to))
}
