package format

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// goneSuffix marks a blob that was redacted; the file says why and when.
const goneSuffix = ".gone"

func (s *DirStore) blobDir(digest Hash) string {
	return filepath.Join(s.root, blobsDir, "sha256", digest.String()[:2])
}

func (s *DirStore) blobPath(digest Hash) string {
	path := s.ownBlobPath(digest)
	if s.fallback != nil {
		if _, err := s.fs.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return s.fallback.blobPath(digest)
		}
	}
	return path
}

func (s *DirStore) ownBlobPath(digest Hash) string {
	return filepath.Join(s.blobDir(digest), digest.String())
}

// PutBlob implements [Store]. The store keeps every garbage collector away until
// an entry that names the blob was appended through it, or it is closed.
func (s *DirStore) PutBlob(ctx context.Context, r io.Reader) (Hash, int64, error) {
	if s.readOnly {
		return Hash{}, 0, fmt.Errorf("store a blob: %w", ErrReadOnly)
	}
	digest, n, err := s.putBlob(ctx, r)
	if err != nil {
		return Hash{}, 0, fmt.Errorf("store a blob: %w", err)
	}
	return digest, n, nil
}

func (s *DirStore) putBlob(ctx context.Context, r io.Reader) (digest Hash, n int64, err error) {
	dir := filepath.Join(s.root, blobsDir, "sha256")
	if err := s.makeDir(dir); err != nil {
		return digest, 0, err
	}
	release, err := s.blobs.begin(ctx, s)
	if err != nil {
		return digest, 0, err
	}
	defer func() { release(digest, err == nil) }()
	tmp, f, err := s.createTemp(dir)
	if err != nil {
		return digest, 0, err
	}
	// Once the blob has its name there is nothing to remove.
	defer func() { _ = s.fs.Remove(tmp) }()
	sum := sha256.New()
	n, err = copyAt(ctx, f, sum, r)
	if err == nil {
		err = s.sync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return digest, 0, err
	}
	sum.Sum(digest[:0])
	return digest, n, s.nameBlob(tmp, digest)
}

// nameBlob gives a synced temporary file its name. A blob that is there already
// is not believed: it is hashed, and synced.
func (s *DirStore) nameBlob(tmp string, digest Hash) error {
	dir, path := s.blobDir(digest), s.blobPath(digest)
	if err := s.makeDir(dir); err != nil {
		return err
	}
	err := s.fs.Link(tmp, path)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		if s.resyncBlob(path, digest) != nil {
			err = s.fs.Rename(tmp, path)
		} else {
			err = nil
		}
	case linkUnsupported(err):
		err = s.fs.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return s.syncDir(dir)
}

func (s *DirStore) resyncBlob(path string, digest Hash) error {
	f, err := s.fs.Open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, newBlobReader(f, path, digest))
	if err == nil {
		err = s.sync(f)
	}
	return errors.Join(err, f.Close())
}

// copyAt writes what r gives to the beginning of f, and to sum.
func copyAt(ctx context.Context, f io.WriterAt, sum io.Writer, r io.Reader) (int64, error) {
	room := 256 << 10
	if known, ok := r.(interface{ Len() int }); ok { // as of a [bytes.Reader]; one more to see its end
		room = min(room, known.Len()+1)
	}
	buf := make([]byte, room)
	off := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return off, err
		}
		n, err := r.Read(buf)
		if _, err := sum.Write(buf[:n]); err != nil {
			return off, err
		}
		for done := 0; done < n; {
			m, werr := f.WriteAt(buf[done:n], off)
			if werr != nil {
				return off, werr
			}
			done += m
			off += int64(m)
		}
		if err == io.EOF {
			return off, nil
		}
		if err != nil {
			return off, err
		}
	}
}

// OpenBlob implements [Store]. A blob that was redacted is [ErrNotFound], and
// the error says so.
func (s *DirStore) OpenBlob(_ context.Context, digest Hash) (io.ReadCloser, error) {
	path := s.blobPath(digest)
	f, err := s.fs.Open(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := s.fs.Stat(path + goneSuffix); gone == nil {
			return nil, fmt.Errorf("blob sha256:%s was redacted, see %s: %w", digest, path+goneSuffix, ErrNotFound)
		}
		return nil, fmt.Errorf("blob sha256:%s: %w", digest, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("blob sha256:%s: %w", digest, err)
	}
	return newBlobReader(f, path, digest), nil
}

// blobReader reads a blob and compares its digest at the end.
type blobReader struct {
	f      fsFile
	path   string
	digest Hash
	sum    hash.Hash
	off    int64
	end    error
}

func newBlobReader(f fsFile, path string, digest Hash) *blobReader {
	return &blobReader{f: f, path: path, digest: digest, sum: sha256.New()}
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.end != nil || len(p) == 0 {
		return 0, r.end
	}
	n, err := r.f.ReadAt(p, r.off)
	r.sum.Write(p[:n])
	r.off += int64(n)
	if err == io.EOF {
		var got Hash
		if r.sum.Sum(got[:0]); got != r.digest {
			err = &CorruptError{Path: r.path, Offset: -1, Seq: -1, Rule: ruleBlob, Reason: "digest of the blob", Want: r.digest.String(), Got: got.String()}
		}
	}
	r.end = err
	return n, err
}

func (r *blobReader) Close() error { return r.f.Close() }

// blobHold keeps blobs/lock shared from the first PutBlob until every blob put
// since is named by an acknowledged entry. The zero blobHold holds nothing.
type blobHold struct {
	mu      sync.Mutex
	lock    fsFile
	writing int
	pending map[Hash]bool
}

// begin takes the lock if it is not held. The function it returns ends the
// writing of one blob.
func (h *blobHold) begin(ctx context.Context, s *DirStore) (func(digest Hash, stored bool), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lock == nil {
		f, err := s.fs.Open(filepath.Join(s.root, blobsDir, lockName), os.O_RDWR|os.O_CREATE)
		if err != nil {
			return nil, err
		}
		if err := f.Lock(ctx, false); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		h.lock = f
	}
	h.writing++
	return func(digest Hash, stored bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.writing--
		if stored {
			if h.pending == nil {
				h.pending = map[Hash]bool{}
			}
			h.pending[digest] = true
		}
		h.release()
	}, nil
}

// settle notes that entries were acknowledged.
func (h *blobHold) settle(entries [][]byte) { h.settleNamed(h.namedBy(nil, entries)) }

// namedBy appends the blobs that are held and that entries name.
func (h *blobHold) namedBy(dst []Hash, entries [][]byte) []Hash {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pending) == 0 {
		return dst
	}
	for _, e := range entries {
		if n := normLen(e); n > 0 {
			e = e[:n] // a record kept verbatim names no blob of ours
		}
		for digest := range ScanBlobs(e) {
			if h.pending[digest] {
				dst = append(dst, digest)
			}
		}
	}
	return dst
}

// settleNamed notes that the entries which name these blobs were acknowledged.
func (h *blobHold) settleNamed(named []Hash) {
	if len(named) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, digest := range named {
		delete(h.pending, digest)
	}
	h.release()
}

// release gives up the lock when nothing needs it. h.mu is held.
func (h *blobHold) release() {
	if h.writing == 0 && len(h.pending) == 0 && h.lock != nil {
		// Closing the descriptor unlocks.
		_ = h.lock.Close()
		h.lock = nil
	}
}

func (h *blobHold) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending = nil
	if h.lock == nil {
		return nil
	}
	err := h.lock.Close()
	h.lock = nil
	return err
}
