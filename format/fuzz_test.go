package format

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

var fuzzLog = LogID{1, 2, 3}

// fixSum gives a line the checksum that its content asks for, so that fuzzing
// comes past it.
func fixSum(b []byte) []byte {
	for _, member := range []string{crcMember, `],"crc":"`} {
		if p := bytes.LastIndex(b, []byte(member)); p >= 0 && len(b) >= p+len(member)+crcDigits {
			b = bytes.Clone(b)
			putSum(logSum(fuzzLog), b, p+len(member))
			return b
		}
	}
	return b
}

// fixFirst is fixSum for the first checksum, which is a line's own.
func fixFirst(b []byte) []byte {
	if p := bytes.Index(b, []byte(crcMember)); p >= 0 && len(b) >= p+len(crcMember)+crcDigits {
		b = bytes.Clone(b)
		putSum(logSum(fuzzLog), b, p+len(crcMember))
	}
	return b
}

func trimLF(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\n")) }

// FuzzLine: whatever parses encodes to the same bytes.
func FuzzLine(f *testing.F) {
	sum := logSum(fuzzLog)
	entry, _ := appendEntryLine(nil, sum, 7, 5, []byte(`{"a":"}\"{","b":[{}]}`))
	f.Add(trimLF(entry))
	f.Add(trimLF(appendHoleLine(nil, sum, 0, 0, Hash{1})))
	f.Add(trimLF(appendSealLine(nil, sum, MaxSize, Hash{2})))
	f.Add([]byte(`{"seq":01,"ack":0,"crc":"00000000","entry":{}}`))
	f.Add([]byte(`{"seq":1,"ack":0,"crc":"00000000","entry":{"a":1},"entry":{"b":2}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = fixFirst(b)
		l, bad := parseLine(b, sum)
		if bad != nil {
			return
		}
		if again := appendLine(nil, sum, l); !bytes.Equal(trimLF(again), b) {
			t.Errorf("%q parses and encodes to %q", b, again)
		}
	})
}

// FuzzEntry: whatever may be appended comes back from its line as it was.
func FuzzEntry(f *testing.F) {
	sum := logSum(fuzzLog)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"type":"x","time":"2026-01-02T03:04:05Z","data":{"blob":"sha256:"}}`))
	f.Add([]byte(`{"rawlen":13,"type":"x","raw":{"a":1,"a": 2}}`))
	f.Add([]byte(`{"a":1},"entry":{"b":2}`))
	f.Fuzz(func(t *testing.T, e []byte) {
		if CheckEntry(e) != nil {
			return
		}
		factsOf(3, e, topMembers(e))
		line, leaf := appendEntryLine(nil, sum, 3, 2, e)
		l, bad := parseLine(trimLF(line), sum)
		if bad != nil || !bytes.Equal(l.entry, e) || l.leaf() != leaf {
			t.Errorf("%q becomes %q: %v", e, l.entry, bad)
		}
	})
}

// FuzzHead: there is one spelling of a head.
func FuzzHead(f *testing.F) {
	f.Add(Head{Log: fuzzLog, Size: 3, Root: Hash{1}}.String())
	f.Add(strings.ToUpper(fuzzLog.String()) + "@03#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := ParseHead(text); err == nil && h.String() != text {
			t.Errorf("%q is taken for %q", text, h)
		}
	})
}

func FuzzHeader(f *testing.F) {
	sum := logSum(fuzzLog)
	var tree Frontier
	for i := range 5 {
		tree.Push(Hash{byte(i)})
	}
	f.Add(trimLF(appendHeader(nil, &header{log: fuzzLog})))
	f.Add(trimLF(appendHeader(nil, &header{log: fuzzLog, first: 5, frontier: tree, fork: &Fork{Log: LogID{9}, Size: 5}, more: []byte(`,"x":{"y":1}`)})))
	f.Add(trimLF(appendHeader(nil, &header{log: fuzzLog, requires: []string{"a", "b"}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = fixFirst(b)
		h, bad, err := parseHeader(b, sum)
		if bad != nil || err != nil && !errors.Is(err, errRequires) || h.log != fuzzLog {
			return
		}
		if again := appendHeader(nil, &h); !bytes.Equal(trimLF(again), b) {
			t.Errorf("%q parses and encodes to %q", b, again)
		}
	})
}

func FuzzCutRaw(f *testing.F) {
	f.Add([]byte(`{"rawlen":2,"a":1,"raw":{}}`))
	f.Add([]byte(`{"rawlen":0,"raw":}`))
	f.Add([]byte(`{"rawlen":2,"a":1,"raw":000`))
	f.Add([]byte(`{"rawlen":999999,"a":1,"raw":1}`))
	f.Add([]byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		norm, raw, err := CutRaw(nil, b)
		if err != nil {
			return
		}
		if again := JoinRaw(nil, norm, raw); !bytes.Equal(again, b) {
			t.Errorf("%q cuts to %q and %q, which join to %q", b, norm, raw, again)
		}
	})
}

func FuzzIndex(f *testing.F) {
	sum := logSum(fuzzLog)
	x := index{first: 3, size: 9, root: Hash{1}, blocks: []indexBlock{
		{stored: 10, raw: 20, first: 3},
		{off: 10, stored: 30, raw: 40, first: 3, count: 6, tmin: "2026-01-02T03:04:05Z", tmax: "2026-01-02T03:04:05.123456789Z", types: []string{"", "a", "é\""}, crc: 5},
		{off: 40, stored: 1, raw: 2, first: 9},
	}}
	f.Add(appendIndex(nil, sum, &x))
	f.Add(appendIndex(nil, sum, &index{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = fixSum(b)
		x, bad := parseIndex(b, sum)
		if bad != nil {
			return
		}
		if again := appendIndex(nil, sum, x); !bytes.Equal(again, b) {
			t.Errorf("%q parses and encodes to %q", b, again)
		}
	})
}

func FuzzSeekTable(f *testing.F) {
	f.Add(appendSeekTable(nil, nil))
	f.Add(appendSeekTable(nil, []frameSize{{1, 2}, {3, 4}, {5, 0}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, bad := parseSeekTable(b)
		if bad != nil {
			return
		}
		if again := appendSeekTable(nil, frames); !bytes.Equal(again, b) {
			t.Errorf("%x parses and encodes to %x", b, again)
		}
	})
}

func FuzzLockRecord(f *testing.F) {
	sum := logSum(fuzzLog)
	f.Add(appendLockRecord(nil, sum, &lockRecord{boot: "b-1", ino: 1<<64 - 1, off: 5, last: 7}))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if end := bytes.IndexByte(b, '\n'); end >= crcDigits {
			b = bytes.Clone(b[:end+1])
			putSum(sum, b[:end], 0)
		}
		r, ok := parseLockRecord(b, sum)
		if !ok {
			return
		}
		if again := appendLockRecord(nil, sum, r); !bytes.Equal(again, b) {
			t.Errorf("%q parses and encodes to %q", b, again)
		}
	})
}

// FuzzSealed: no file makes reading panic or hang, and the text that is read of
// one encodes to the same bytes.
func FuzzSealed(f *testing.F) {
	var file growingFile
	h := header{log: fuzzLog}
	w, err := newSealWriter(&file, new(spareSealBuffers), &h, trimLF(appendHeader(nil, &h)))
	if err != nil {
		f.Fatal(err)
	}
	for i := range 3 {
		raw, _ := appendEntryLine(nil, logSum(fuzzLog), int64(i), 0, []byte(`{"type":"x"}`))
		l, _ := parseLine(trimLF(raw), w.sum)
		if err := w.copy(trimLF(raw), &l); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := w.finish(); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(file))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if s, err := openSealed(r, int64(len(b)), "f", fuzzLog, 0); err == nil {
			_, _ = rehash(s.reader(), fuzzLog, 0)
			encodesTheSame(t, s.reader())
		}
		frames := salvageFrames{f: r}
		for {
			if _, _, err := frames.next(); err != nil {
				break
			}
		}
	})
}

// encodesTheSame fails if a line that is read encodes to other bytes.
func encodesTheSame(t *testing.T, r *segmentReader) {
	t.Helper()
	h, raw, err := r.readHeader(fuzzLog, 0)
	if err != nil {
		return
	}
	if again := trimLF(appendHeader(nil, &h)); !bytes.Equal(again, raw) {
		t.Errorf("header %q encodes to %q", raw, again)
	}
	for {
		raw, off, err := r.nextLine()
		if err != nil {
			return
		}
		l, err := r.parse(raw, off)
		if err != nil {
			return
		}
		if again := trimLF(appendLine(nil, r.sum, l)); !bytes.Equal(again, raw) {
			t.Errorf("line %q encodes to %q", raw, again)
		}
	}
}

// growingFile is a file in memory that is only written at its end.
type growingFile []byte

func (g *growingFile) WriteAt(b []byte, off int64) (int, error) {
	*g = append((*g)[:off], b...)
	return len(b), nil
}

// FuzzOpenSegment: no text makes recovery panic; what it keeps is there, and
// encodes to the same bytes. With fix, every line has the right checksum.
func FuzzOpenSegment(f *testing.F) {
	text := appendHeader(nil, &header{log: fuzzLog})
	for i := range 3 {
		text, _ = appendEntryLine(text, logSum(fuzzLog), int64(i), int64(i), []byte(`{"type":"x"}`))
	}
	f.Add(text, false)
	f.Add(text[:len(text)-1], true)
	f.Add(append(bytes.Clone(text), make([]byte, 600)...), true)
	f.Add(appendHoleLine(bytes.Clone(text), logSum(fuzzLog), 3, 2, Hash{1}), true)
	f.Add(appendSealLine(bytes.Clone(text), logSum(fuzzLog), 3, Hash{1}), true)
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		if fix {
			var fixed []byte
			for line := range bytes.Lines(b) {
				fixed = append(append(fixed, fixFirst(trimLF(line))...), line[len(trimLF(line)):]...)
			}
			b = fixed
		}
		s, err := scanOpenSegment(bytes.NewReader(b), "f", fuzzLog, 0)
		if err != nil {
			return
		}
		if s.state.off > int64(len(b)) || s.batch.size > s.state.size || s.batch.off > s.state.off {
			t.Errorf("state %+v, batch %+v of %d bytes", s.state, s.batch, len(b))
		}
		r := segmentReader{path: "f", src: newTextBlocks(bytes.NewReader(b), 0), open: true}
		encodesTheSame(t, &r)
		if s.verdict == verdictCorrupt {
			return
		}
		if r.seq != s.state.size && s.state.off > 0 {
			t.Errorf("recovery keeps %d entries, and a reader finds %d", s.state.size, r.seq)
		}
	})
}

// packStores are two stores in memory.
func packStores(t testing.TB) (a, b *DirStore, disk *simProc) {
	t.Helper()
	disk = &simProc{disk: newSimDisk()}
	var stores [2]*DirStore
	for i, dir := range []string{"/a", "/b"} {
		var err error
		if stores[i], err = OpenDirStore(dir, withFS(disk)); err != nil {
			t.Fatal(err)
		}
	}
	return stores[0], stores[1], disk
}

// checkUnpack unpacks b: a pack that is refused leaves nothing behind, and one that
// is taken can be packed again with the same heads.
func checkUnpack(t *testing.T, b []byte) {
	t.Helper()
	to, other, disk := packStores(t)
	opts := UnpackOptions{MaxBytes: 1 << 20}
	first, err := to.Unpack(t.Context(), bytes.NewReader(b), opts)
	if err != nil {
		if list, err := disk.ReadDir("/a"); err != nil || len(list) > 0 {
			t.Errorf("a refused pack left %v behind, %v", list, err)
		}
		return
	}
	var logs []LogID
	for _, h := range first.Heads {
		logs = append(logs, h.Log)
	}
	var packed bytes.Buffer
	if _, err := to.Pack(t.Context(), &packed, logs, first.Imports); err != nil {
		t.Fatalf("what was unpacked cannot be packed: %v", err)
	}
	again, err := other.Unpack(t.Context(), &packed, opts)
	if err != nil || !slices.Equal(again.Heads, first.Heads) {
		t.Errorf("heads %v, and packed again %v, %v", first.Heads, again.Heads, err)
	}
}

// FuzzPack: no pack makes unpacking panic or leave something behind.
func FuzzPack(f *testing.F) {
	s, _, _ := packStores(f)
	if _, err := s.Append(f.Context(), fuzzLog, 0, [][]byte{[]byte(`{"type":"x"}`)}); err != nil {
		f.Fatal(err)
	}
	var packed bytes.Buffer
	if _, err := s.Pack(f.Context(), &packed, []LogID{fuzzLog}, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Fuzz(checkUnpack)
}

// FuzzPackMembers is FuzzPack behind the tar's own checksums: a manifest, a
// segment and another member of any name, type and content.
func FuzzPackMembers(f *testing.F) {
	text := appendHeader(nil, &header{log: fuzzLog})
	text, leaf := appendEntryLine(text, logSum(fuzzLog), 0, 0, []byte(`{"type":"x"}`))
	text = appendSealLine(text, logSum(fuzzLog), 1, leaf)
	head := Head{Log: fuzzLog, Size: 1, Root: leaf}.String()
	f.Add([]byte(`{"ownlog":1,"heads":["`+head+`"],"ancestors":[]}`), text, "notes/"+fuzzLog.String()+"/1", byte(tar.TypeReg), []byte("note"))
	f.Add([]byte(`{"ownlog":1,"heads":["`+head+`"],"ancestors":[],"imports":{"a":[1.0]},"more":1}`), text, "../x", byte(tar.TypeSymlink), []byte("/etc"))
	f.Add([]byte(`{"ownlog":2,"heads":[]}`), text, "blobs/sha256/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", byte(tar.TypeReg), []byte{})
	f.Fuzz(func(t *testing.T, manifest, segment []byte, name string, kind byte, content []byte) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, m := range []struct {
			name    string
			kind    byte
			content []byte
		}{
			{manifestName, tar.TypeReg, manifest},
			{"logs/" + fuzzLog.String() + "/0000000000000000.jsonl", tar.TypeReg, segment},
			{name, kind, content},
		} {
			h := tar.Header{Typeflag: m.kind, Name: m.name, Size: int64(len(m.content)), Mode: 0o600}
			if m.kind != tar.TypeReg {
				h.Size, h.Linkname = 0, string(m.content)
			}
			if w.WriteHeader(&h) != nil {
				return
			}
			if _, err := w.Write(m.content); err != nil && h.Size > 0 {
				return
			}
		}
		if w.Close() != nil {
			return
		}
		checkUnpack(t, b.Bytes())
	})
}

// FuzzPackName: names that are accepted lead to one place below the store.
func FuzzPackName(f *testing.F) {
	f.Add(manifestName)
	f.Add("logs/" + fuzzLog.String() + "/0000000000000000.jsonl.zst")
	f.Add("blobs/sha256/00/" + hex.EncodeToString(make([]byte, 32)))
	f.Add("notes/" + fuzzLog.String() + "/12")
	f.Add("logs/../x")
	f.Fuzz(func(t *testing.T, name string) {
		n, ok := parsePackName(name)
		if !ok {
			return
		}
		again := map[packKind]string{
			packManifest: manifestName,
			packBlob:     "blobs/sha256/" + n.digest.String()[:2] + "/" + n.digest.String(),
			packNote:     "notes/" + n.log.String() + "/" + string(appendNumber(n.first)),
			packSegment:  "logs/" + n.log.String() + "/" + segmentName(n.first, map[bool]string{true: sealedSuffix, false: textSuffix}[n.sealed]),
		}[n.kind]
		if again != name {
			t.Errorf("%q is taken for %q", name, again)
		}
	})
}

func appendNumber(n int64) []byte {
	l := appendSealLine(nil, 0, n, Hash{})
	return l[len(sizeMember):bytes.IndexByte(l, ',')]
}
