//go:build unix

package format

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func BenchmarkCheckEntry(b *testing.B) {
	entries := benchEntries(8 << 20)
	per := total(entries)
	b.SetBytes(per)
	cpu := measureCPU(b)
	for b.Loop() {
		for _, e := range entries {
			if err := CheckEntry(e); err != nil {
				b.Fatal(err)
			}
		}
	}
	cpu(int64(b.N) * per)
}

func BenchmarkCheckSplit(b *testing.B) {
	entries := benchEntries(8 << 20)
	per := total(entries)
	b.SetBytes(per)
	cpu := measureCPU(b)
	for b.Loop() {
		for _, e := range entries {
			if f := checkSplit(e); f != nil {
				b.Fatal(f)
			}
		}
	}
	cpu(int64(b.N) * per)
}

func BenchmarkAppendLine(b *testing.B) {
	entries := benchEntries(8 << 20)
	per := total(entries)
	b.SetBytes(per)
	var buf []byte
	cpu := measureCPU(b)
	for b.Loop() {
		buf = buf[:0]
		for _, e := range entries {
			buf, _ = appendEntryLine(buf, 1, 2, 3, e)
		}
	}
	cpu(int64(b.N) * per)
}

// BenchmarkAppendBulk is the whole path of an import: check, line, hash, write.
func BenchmarkAppendBulk(b *testing.B) {
	entries := benchEntries(32 << 20)
	s, err := OpenDirStore(b.TempDir(), WithoutSync())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	per := total(entries)
	b.SetBytes(per)
	cpu := measureCPU(b)
	for b.Loop() {
		log := NewLogID()
		size := int64(0)
		for i := 0; i < len(entries); i += 2000 {
			if size, err = s.Append(context.Background(), log, size, entries[i:min(i+2000, len(entries))]); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := s.Remove(context.Background(), log); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	cpu(int64(b.N) * per)
}

// BenchmarkAppendOne appends single entries durably; BenchmarkAppendBare is the
// same writes and syncs with nothing around them.
func BenchmarkAppendOne(b *testing.B) {
	for _, sync := range []bool{true, false} {
		b.Run(fmt.Sprintf("sync=%t", sync), func(b *testing.B) {
			entry := benchEntries(1)[:1]
			opts := []DirOption{WithoutSync()}
			if sync {
				opts = nil
			}
			s, err := OpenDirStore(b.TempDir(), opts...)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			log, size, per := NewLogID(), int64(0), total(entry)
			cpu := measureCPU(b)
			for b.Loop() {
				if size, err = s.Append(context.Background(), log, size, entry); err != nil {
					b.Fatal(err)
				}
			}
			cpu(int64(b.N) * per)
		})
	}
}

func BenchmarkAppendBare(b *testing.B) {
	line, _ := appendEntryLine(nil, 1, 2, 3, benchEntries(1)[0])
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	off, per := int64(0), int64(len(line))
	cpu := measureCPU(b)
	for b.Loop() {
		if _, err := f.WriteAt(line, off); err != nil {
			b.Fatal(err)
		}
		off += int64(len(line))
		if err := datasync(f); err != nil {
			b.Fatal(err)
		}
	}
	cpu(int64(b.N) * per)
}

// BenchmarkAppendMany is 64 goroutines that append durably to one log.
func BenchmarkAppendMany(b *testing.B) {
	entry := benchEntries(1)[:1]
	s, err := OpenDirStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	log := NewLogID()
	if _, err := s.Append(context.Background(), log, 0, entry); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := s.AppendTail(context.Background(), log, entry); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// benchStore makes a store with one log of about size bytes.
func benchStore(b *testing.B, size int, seal bool) (*DirStore, LogID, int64) {
	s, err := OpenDirStore(b.TempDir(), WithoutSync())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	log, entries := NewLogID(), benchEntries(size)
	if _, err := s.Append(context.Background(), log, 0, entries); err != nil {
		b.Fatal(err)
	}
	if seal {
		if _, err := s.Seal(context.Background(), log); err != nil {
			b.Fatal(err)
		}
	}
	return s, log, total(entries)
}

func BenchmarkVerify(b *testing.B) {
	for _, seal := range []bool{false, true} {
		b.Run(fmt.Sprintf("sealed=%t", seal), func(b *testing.B) {
			s, log, n := benchStore(b, 64<<20, seal)
			per := n
			b.SetBytes(per)
			cpu := measureCPU(b)
			for b.Loop() {
				if r, err := s.Verify(context.Background(), log, VerifyOptions{}); err != nil || !r.OK() {
					b.Fatal(r, err)
				}
			}
			cpu(int64(b.N) * per)
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, seal := range []bool{false, true} {
		b.Run(fmt.Sprintf("sealed=%t", seal), func(b *testing.B) {
			s, log, n := benchStore(b, 64<<20, seal)
			per := n
			b.SetBytes(per)
			cpu := measureCPU(b)
			for b.Loop() {
				for _, err := range s.Read(context.Background(), log, 0) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			cpu(int64(b.N) * per)
		})
	}
}

func BenchmarkReadLast20(b *testing.B) {
	s, log, _ := benchStore(b, 64<<20, true)
	info, err := s.Info(context.Background(), log)
	if err != nil {
		b.Fatal(err)
	}
	const per = 0
	cpu := measureCPU(b)
	for b.Loop() {
		n := 0
		for _, err := range s.Read(context.Background(), log, info.Size-20) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 20 {
			b.Fatal(n)
		}
	}
	cpu(int64(b.N) * per)
}

// BenchmarkSealWrite compresses; the reading back is apart.
func BenchmarkSealWrite(b *testing.B) {
	entries := benchEntries(32 << 20)
	text := appendHeader(nil, &header{})
	n := len(text) - 1
	var lines [][]byte
	for i, e := range entries {
		l, _ := appendEntryLine(nil, logSum(LogID{}), int64(i), 0, e)
		lines = append(lines, l[:len(l)-1])
	}
	per := total(entries)
	b.SetBytes(per)
	var stored int64
	cpu := measureCPU(b)
	for b.Loop() {
		w, err := newSealWriter(discard{}, new(spareSealBuffers), &header{}, text[:n])
		if err != nil {
			b.Fatal(err)
		}
		for _, raw := range lines {
			l, f := parseLine(raw, w.sum)
			if f != nil {
				b.Fatal(f)
			}
			if err := w.copy(raw, &l); err != nil {
				b.Fatal(err)
			}
		}
		if stored, err = w.finish(); err != nil {
			b.Fatal(err)
		}
		w.release()
	}
	cpu(int64(b.N) * per)
	b.ReportMetric(float64(stored)/float64(total(entries)), "stored/text")
}

type discard struct{}

func (discard) WriteAt(b []byte, _ int64) (int, error) { return io.Discard.Write(b) }
