//go:build conformance && speed

package corpus

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ownlog/ownlog/format"
)

// TestSpeedParts prints what single parts of an import of the corpus take by
// themselves, in memory, in one run with zstd -3 and the whole import: what
// remains if all else were free.
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run SpeedParts -v -timeout 1h
func TestSpeedParts(t *testing.T) {
	dir := corpusDir(t)
	names, size := sessionFiles(t, dir)
	var files [][]byte
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, content)
	}
	store := t.TempDir()
	ours, _ := measure(t, exec.Command(command, "import", "--store", store, dir))
	dry, _ := measure(t, exec.Command(command, "import", "--store", t.TempDir(), "--dry-run", dir))
	peer, _ := measure(t, exec.Command("zstd", append([]string{"-3", "-q", "-c", "--single-thread"}, names...)...))
	entries, frames, text := storedText(t, store)

	t.Logf("%d bytes of sessions, %d bytes of entries", size, text)
	t.Logf("zstd -3 of the sessions: %.2f s; import: %.2f s; import --dry-run: %.2f s", peer.cpu.Seconds(), ours.cpu.Seconds(), dry.cpu.Seconds())
	part := func(name string, do func()) {
		least := time.Duration(0)
		for range 3 {
			before := processorTime(t)
			do()
			if took := processorTime(t) - before; least == 0 || took < least {
				least = took
			}
		}
		t.Logf("%-40s %.2f s", name, least.Seconds())
	}
	part("SHA-256 of sessions and entries", func() {
		for _, f := range files {
			sha256.Sum256(f)
		}
		for _, e := range entries {
			format.LeafHash(e)
		}
	})
	part("JSON of entries checked", func() {
		for _, e := range entries {
			if err := format.CheckEntry(e); err != nil {
				t.Fatal(err)
			}
		}
	})
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level), zstd.WithWindowSize(8<<20), zstd.WithSingleSegment(true))
		if err != nil {
			t.Fatal(err)
		}
		packed, stored := make([][]byte, len(frames)), 0
		part("entries compressed, level "+level.String(), func() {
			stored = 0
			for i, f := range frames {
				packed[i] = enc.EncodeAll(f, packed[i][:0])
				stored += len(packed[i])
			}
		})
		t.Logf("%-40s %d bytes", "", stored)
		if level != zstd.SpeedDefault {
			continue
		}
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		back := make([]byte, 0, 8<<20)
		part("and decompressed", func() {
			for _, p := range packed {
				if back, err = dec.DecodeAll(p, back[:0]); err != nil {
					t.Fatal(err)
				}
			}
		})
		dec.Close()
	}
}

// storedText returns the entries of all logs, and their text in frames as long as
// those of sealed segments.
func storedText(t *testing.T, dir string) (entries, frames [][]byte, size int64) {
	t.Helper()
	const frame = 4 << 20
	store, err := format.OpenDirStore(dir, format.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // only read from
	for log, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var text []byte
		for e, err := range store.Read(t.Context(), log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			from := len(text)
			text = append(append(text, e.Bytes...), '\n')
			entries = append(entries, append([]byte(nil), text[from:len(text)-1]...))
			if size += int64(len(e.Bytes)) + 1; len(text) >= frame {
				frames, text = append(frames, text), nil
			}
		}
		if len(text) > 0 {
			frames = append(frames, text)
		}
	}
	return entries, frames, size
}

// processorTime is what this process took so far, user and system.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
