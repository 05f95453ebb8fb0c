package format_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

// pack returns a pack of the logs.
func pack(t *testing.T, s *format.DirStore, logs ...format.LogID) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Pack(t.Context(), &b, logs, []byte(`{"note":1}`)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPackAndUnpack(t *testing.T) {
	dir := t.TempDir()
	logs, want := variedStore(t, dir)
	s := openDir(t, dir)
	packed := pack(t, s, logs[1])
	to := openDir(t, t.TempDir(), format.WithoutSync())
	for range 2 { // the second time everything is there already
		r, err := to.Unpack(t.Context(), bytes.NewReader(packed), format.UnpackOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Heads) != 1 || len(r.Ancestors) != 1 || r.Blobs != 1 || string(r.Imports) != `{"note":1}` {
			t.Errorf("report %+v", r)
		}
		for _, log := range logs {
			mustVerify(t, to, log, want[log])
			if diff := cmp.Diff(want[log], storetest.ReadAll(t, to, log, 0)); diff != "" {
				t.Errorf("log %s (-want +got):\n%s", log, diff)
			}
		}
	}
	// Both go on, alone and together.
	storetest.MustAppend(t, to, logs[1], int64(len(want[logs[1]])), storetest.Entries("c", 3))
	if left := stray(t, to.Dir()); len(left) > 0 {
		t.Errorf("unpacking left %v behind", left)
	}
}

// stray returns the temporary names below dir.
func stray(t *testing.T, dir string) (left []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".tmp-") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestUnpackExtendsAndRefuses(t *testing.T) {
	a := openDir(t, t.TempDir(), format.WithoutSync())
	log, entries := format.NewLogID(), storetest.Entries("a", 30)
	storetest.MustAppend(t, a, log, 0, entries[:10])
	short := pack(t, a, log)
	storetest.MustAppend(t, a, log, 10, entries[10:])
	long := pack(t, a, log)

	b := openDir(t, t.TempDir(), format.WithoutSync())
	for _, p := range [][]byte{short, long, short} {
		if _, err := b.Unpack(t.Context(), bytes.NewReader(p), format.UnpackOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	mustVerify(t, b, log, entries)

	c := openDir(t, t.TempDir(), format.WithoutSync())
	storetest.MustAppend(t, c, log, 0, append(entries[:5:5], storetest.Entries("b", 1)...))
	before := storetest.ReadAll(t, c, log, 0)
	var diverged *format.DivergedError
	if _, err := c.Unpack(t.Context(), bytes.NewReader(long), format.UnpackOptions{}); !errors.As(err, &diverged) || diverged.Log != log {
		t.Errorf("unpack over a log that went another way: %v", err)
	}
	mustVerify(t, c, log, before)
}

// member is a file in a tar.
type member struct {
	header tar.Header
	body   string
}

func readTar(t *testing.T, b []byte) (list []member) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, member{*h, string(body)})
	}
}

func writeTar(t *testing.T, list []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range list {
		m.header.Size = int64(len(m.body))
		m.header.PAXRecords = nil
		if err := w.WriteHeader(&m.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackIsHostileTerrain(t *testing.T) {
	dir := t.TempDir()
	logs, _ := variedStore(t, dir)
	good := readTar(t, pack(t, openDir(t, dir), logs[1]))
	blob, segment := 1, 2
	regular := func(name, body string) member {
		return member{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}, body}
	}
	tests := []struct {
		name   string
		change func(list []member) []member
	}{
		{"path upwards", func(l []member) []member { return append(l, regular("../x", "")) }},
		{"path upwards in a known folder", func(l []member) []member { return append(l, regular("logs/../../x", "")) }},
		{"absolute path", func(l []member) []member { return append(l, regular("/etc/x", "")) }},
		{"other file", func(l []member) []member { return append(l, regular("logs/"+logs[0].String()+"/lock", "")) }},
		{"backslashes", func(l []member) []member { return append(l, regular(`logs\x`, "")) }},
		{"symbolic link", func(l []member) []member {
			l[segment].header.Typeflag, l[segment].header.Linkname, l[segment].body = tar.TypeSymlink, "/etc/passwd", ""
			return l
		}},
		{"hard link", func(l []member) []member {
			l[segment].header.Typeflag, l[segment].header.Linkname, l[segment].body = tar.TypeLink, "x", ""
			return l
		}},
		{"directory", func(l []member) []member {
			return append(l, member{tar.Header{Typeflag: tar.TypeDir, Name: "logs/"}, ""})
		}},
		{"member twice", func(l []member) []member { return append(l, l[segment]) }},
		{"manifest twice", func(l []member) []member { return append(l, l[0]) }},
		{"manifest not first", func(l []member) []member { l[0], l[1] = l[1], l[0]; return l }},
		{"no manifest", func(l []member) []member { return l[1:] }},
		{"nothing", func([]member) []member { return nil }},
		{"manifest is no JSON", func(l []member) []member { l[0].body = "{"; return l }},
		{"manifest of a later version", func(l []member) []member {
			l[0].body = strings.Replace(l[0].body, `"ownlog":1`, `"ownlog":2`, 1)
			return l
		}},
		{"manifest names another head", func(l []member) []member {
			i := strings.IndexByte(l[0].body, '#')
			c := "A"
			if l[0].body[i+1] == 'A' {
				c = "B"
			}
			l[0].body = l[0].body[:i+1] + c + l[0].body[i+2:]
			return l
		}},
		{"blob with another content", func(l []member) []member { l[blob].body += "x"; return l }},
		{"blob in another folder", func(l []member) []member {
			l[blob].header.Name = "blobs/sha256/zz/" + l[blob].header.Name[len("blobs/sha256/zz/"):]
			return l
		}},
		{"blob missing", func(l []member) []member { return append(l[:blob:blob], l[blob+1:]...) }},
		{"segment missing", func(l []member) []member { return append(l[:segment:segment], l[segment+1:]...) }},
		{"segment damaged", func(l []member) []member {
			b := []byte(l[segment].body)
			b[len(b)/2] ^= 1
			l[segment].body = string(b)
			return l
		}},
		{"segment of a log that is not named", func(l []member) []member {
			return append(l, regular("logs/"+format.NewLogID().String()+"/0000000000000000.jsonl", "x"))
		}},
		{"long note", func(l []member) []member {
			return append(l, regular("notes/"+logs[0].String()+"/1", strings.Repeat("x", 1<<20)))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := openDir(t, t.TempDir(), format.WithoutSync())
			packed := writeTar(t, test.change(append([]member(nil), good...)))
			_, err := s.Unpack(t.Context(), bytes.NewReader(packed), format.UnpackOptions{})
			if !errors.Is(err, format.ErrPack) && !errors.Is(err, format.ErrUnsupported) {
				t.Errorf("unpack: %v, want ErrPack", err)
			}
			if left := tree(t, s.Dir()); len(left) > 0 {
				t.Errorf("a refused pack left %v behind", left)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		s := openDir(t, t.TempDir(), format.WithoutSync())
		if _, err := s.Unpack(t.Context(), bytes.NewReader(writeTar(t, good)), format.UnpackOptions{MaxBytes: 2000}); !errors.Is(err, format.ErrPack) {
			t.Errorf("unpack more than allowed: %v, want ErrPack", err)
		}
	})
	t.Run("cut anywhere", func(t *testing.T) {
		s := openDir(t, t.TempDir(), format.WithoutSync())
		packed := writeTar(t, good)
		for n := 0; n < len(packed)-1024; n += 700 { // a tar may end without its two empty blocks
			if _, err := s.Unpack(t.Context(), bytes.NewReader(packed[:n]), format.UnpackOptions{}); err == nil {
				t.Errorf("unpacked the first %d bytes of %d", n, len(packed))
			}
		}
	})
}

// tree returns the files below dir.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	logs, want := variedStore(t, dir)
	s := openDir(t, dir, format.WithoutSync())
	var children *format.ChildrenError
	if err := s.Remove(t.Context(), logs[0]); !errors.As(err, &children) || cmp.Diff(children.Children, logs[1:]) != "" {
		t.Errorf("remove a log with a fork: %v", err)
	}
	mustVerify(t, s, logs[1], want[logs[1]])
	for _, log := range []format.LogID{logs[1], logs[0]} {
		if err := s.Remove(t.Context(), log); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Info(t.Context(), log); !errors.Is(err, format.ErrNotFound) {
			t.Errorf("info of a removed log: %v", err)
		}
		if err := s.Remove(t.Context(), log); !errors.Is(err, format.ErrNotFound) {
			t.Errorf("remove it again: %v", err)
		}
	}
	storetest.MustAppend(t, s, logs[0], 0, storetest.Entries("new", 2))
}

func TestGC(t *testing.T) {
	dir := t.TempDir()
	logs, want := variedStore(t, dir)
	s := openDir(t, dir, format.WithoutSync())
	var garbage []format.Hash
	for i := range 5 {
		digest, _, err := s.PutBlob(t.Context(), strings.NewReader(fmt.Sprint("garbage", i)))
		if err != nil {
			t.Fatal(err)
		}
		garbage = append(garbage, digest)
	}
	if _, err := s.GC(t.Context(), nil, false); err == nil {
		t.Error("garbage was collected while this store had blobs that no entry names yet")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openDir(t, dir, format.WithoutSync())
	for _, dryRun := range []bool{true, false} {
		r, err := s.GC(t.Context(), nil, dryRun)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(format.GCReport{Kept: 1, Removed: 5, RemovedBytes: 40}, r); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	}
	for _, digest := range garbage {
		if _, err := s.OpenBlob(t.Context(), digest); !errors.Is(err, format.ErrNotFound) {
			t.Errorf("garbage is still there: %v", err)
		}
	}
	for _, log := range logs {
		mustVerify(t, s, log, want[log])
	}
	flip(t, first(t, filepath.Join(dir, "logs", logs[1].String())), `"b 2"`)
	if _, err := s.GC(t.Context(), nil, false); err == nil {
		t.Error("a store with a damaged log was swept")
	}
}
