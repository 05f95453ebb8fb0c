package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sealedPair is two stores to which the same is done: by AppendSealed in one,
// by Append and Seal in the other.
type sealedPair struct {
	t            *testing.T
	rng          *rand.Rand
	direct, text *DirStore
	log          LogID
	size         int64
	n            int
}

func newSealedPair(t *testing.T, seed uint64, limits sealLimits, roll int64) *sealedPair {
	p := &sealedPair{t: t, rng: rand.New(rand.NewPCG(seed, 3)), log: DeriveLogID(fmt.Sprint(seed))}
	for _, s := range []**DirStore{&p.direct, &p.text} {
		var err error
		if *s, err = OpenDirStore(t.TempDir(), WithoutSync(), WithRollSize(roll)); err != nil {
			t.Fatal(err)
		}
		(*s).sealing = limits
		t.Cleanup(func() { (*s).Close() })
	}
	return p
}

func (p *sealedPair) batch(most, text int) [][]byte {
	list := make([][]byte, 1+p.rng.IntN(most))
	for i := range list {
		p.n++
		list[i] = fmt.Appendf(nil, `{"type":"t%d","time":"2026-01-02T03:04:05.%03dZ","n":%d,"text":"%s"}`, p.n%5, p.n%1000, p.n, strings.Repeat("z", p.rng.IntN(text)))
	}
	return list
}

// both does the same to both stores.
func (p *sealedPair) both(f func(*DirStore) error) {
	p.t.Helper()
	for _, s := range []*DirStore{p.direct, p.text} {
		if err := f(s); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *sealedPair) append(s *DirStore, batches [][][]byte) (err error) {
	at := p.size
	for _, b := range batches {
		if at, err = s.Append(context.Background(), p.log, at, b); err != nil {
			return err
		}
	}
	return nil
}

// add adds batches in the two ways, and compares.
func (p *sealedPair) add(batches [][][]byte) {
	p.t.Helper()
	a, err := p.direct.AppendSealed(context.Background(), p.log, p.size)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, b := range batches {
		if err := a.Append(context.Background(), b); err != nil {
			p.t.Fatal(err)
		}
	}
	head, err := a.Commit()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.append(p.text, batches); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.text.Seal(context.Background(), p.log); err != nil {
		p.t.Fatal(err)
	}
	p.grown(batches)
	if want, err := p.text.Head(context.Background(), p.log, -1); err != nil || head != want {
		p.t.Fatalf("head %s, want %s, %v", head, want, err)
	}
	if diff := cmp.Diff(storeFiles(p.t, p.text), storeFiles(p.t, p.direct)); diff != "" {
		p.t.Fatalf("files of Append and Seal, of AppendSealed (-want +got):\n%s", diff)
	}
}

func (p *sealedPair) grown(batches [][][]byte) {
	for _, b := range batches {
		p.size += int64(len(b))
	}
}

// storeFiles says what is in a store, except in lock files.
func storeFiles(t *testing.T, s *DirStore) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockName {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(s.Dir(), path)
		files[rel] = fmt.Sprintf("%d bytes, SHA-256 %s", len(b), LeafHash(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestAppendSealedIsAppendAndSeal: whatever is in the log, the files are the same.
func TestAppendSealedIsAppendAndSeal(t *testing.T) {
	for seed := range uint64(soakRounds(t, 30)) {
		rng := rand.New(rand.NewPCG(seed, 5))
		roll := int64(1500 + rng.IntN(3000))
		limits := sealLimits{group: roll * int64(1+rng.IntN(4))}
		// Headers, and remains of failed appends, count for the group and not for
		// what is small: of real segments next to nothing.
		remains := rng.IntN(2) == 0
		if !remains {
			limits.small = rng.Int64N(limits.group / 3)
		}
		p := newSealedPair(t, seed, limits, roll)
		if rng.IntN(3) == 0 {
			parent := DeriveLogID("parent")
			p.both(func(s *DirStore) error {
				if _, err := s.Append(context.Background(), parent, 0, [][]byte{[]byte(`{}`), []byte(`{"a":1}`), []byte(`{"a":2}`)}); err != nil {
					return err
				}
				return s.CreateFork(context.Background(), p.log, parent, 2)
			})
			p.size = 2
		}
		for range 6 {
			var batches [][][]byte
			for range 1 + rng.IntN(6) {
				batches = append(batches, p.batch(8, 800))
			}
			switch rng.IntN(4) {
			case 0: // text that is there already
				p.both(func(s *DirStore) error { return p.append(s, batches) })
				p.grown(batches)
			case 1: // and no lock record, so that the last batch is written anew
				if !remains {
					continue
				}
				p.both(func(s *DirStore) error {
					if err := s.Close(); err != nil {
						return err
					}
					err := os.Truncate(filepath.Join(s.logDir(p.log), lockName), 0)
					if errors.Is(err, fs.ErrNotExist) {
						return nil
					}
					return err
				})
			case 2:
				p.both(func(s *DirStore) error {
					_, err := s.SealClosed(context.Background(), p.log)
					if errors.Is(err, ErrNotFound) {
						return nil
					}
					return err
				})
			default:
				p.add(batches)
			}
		}
		p.add([][][]byte{p.batch(8, 800)})
		r, err := p.direct.Verify(context.Background(), p.log, VerifyOptions{Strict: true})
		if err != nil || r.Status != SeverityOK || r.Head.Size != p.size {
			t.Fatalf("verify: %+v, %v", r, err)
		}
	}
}

// TestAppendSealedLongBatch: a batch that Append writes and syncs in pieces.
func TestAppendSealedLongBatch(t *testing.T) {
	p := newSealedPair(t, 1, sealLimits{group: 6 << 20, small: 1 << 20}, 3<<20)
	long := make([][]byte, 14)
	for i := range long {
		long[i] = fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i, strings.Repeat("long ", 190_000))
	}
	p.add([][][]byte{long, p.batch(10, 100)})
}

func TestAppendSealedDropped(t *testing.T) {
	ctx := context.Background()
	p := newSealedPair(t, 1, defaultSealLimits, DefaultRollSize)
	p.add([][][]byte{p.batch(8, 800)})
	before := storeFiles(t, p.direct)
	a, err := p.direct.AppendSealed(ctx, p.log, p.size)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Append(ctx, p.batch(8, 800)); err != nil {
		t.Fatal(err)
	}
	if err := a.Append(ctx, [][]byte{[]byte(`{"a":1`)}); !errors.Is(err, ErrEntry) {
		t.Errorf("an entry that is none: %v", err)
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Commit(); !errors.Is(err, errAppenderClosed) {
		t.Errorf("commit after close: %v", err)
	}
	if diff := cmp.Diff(before, storeFiles(t, p.direct)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	var c *ConflictError
	for _, at := range []int64{0, p.size - 1, p.size + 1} {
		if _, err := p.direct.AppendSealed(ctx, p.log, at); !errors.As(err, &c) || c.Size != p.size {
			t.Errorf("append at %d of %d: %v", at, p.size, err)
		}
	}
	if _, err := p.direct.AppendSealed(ctx, NewLogID(), 1); !errors.As(err, &c) {
		t.Errorf("append at 1 of no log: %v", err)
	}
	if _, err := p.direct.Append(ctx, p.log, p.size, p.batch(2, 20)); err != nil {
		t.Errorf("append afterwards: %v", err)
	}
}

// TestAppendSealedHoldsBlobs: the garbage collector stays away until the entry
// that names a blob is committed.
func TestAppendSealedHoldsBlobs(t *testing.T) {
	ctx := context.Background()
	p := newSealedPair(t, 1, defaultSealLimits, DefaultRollSize)
	digest, _, err := p.direct.PutBlob(ctx, strings.NewReader("blob"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.direct.AppendSealed(ctx, p.log, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Append(ctx, [][]byte{fmt.Appendf(nil, `{"data":{"blob":"sha256:%s","size":4}}`, digest)}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.direct.GC(ctx, nil, false); !errors.Is(err, errBlobsPending) {
		t.Errorf("collecting garbage before the commit: %v", err)
	}
	if _, err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	if r, err := p.direct.GC(ctx, nil, false); err != nil || r.Kept != 1 {
		t.Errorf("collecting garbage after the commit: %+v, %v", r, err)
	}
}

// TestSealWriterReadsBack: a bit that is another on the disk is noticed before
// anything is removed.
func TestSealWriterReadsBack(t *testing.T) {
	var file growingFile
	h := header{log: fuzzLog}
	w, err := newSealWriter(&file, new(spareSealBuffers), &h, trimLF(appendHeader(nil, &h)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.release()
	for i := range 30 {
		if _, err := w.append(int64(i), fmt.Appendf(nil, `{"type":"x","n":%d}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	if err := w.readBack(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	for bit := range len(file) * 8 {
		file[bit/8] ^= 1 << (bit % 8)
		if err := w.readBack(bytes.NewReader(file)); !errors.Is(err, errReadBack) {
			t.Fatalf("bit %d is another: %v", bit, err)
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
}
