package parquet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/format"
)

func TestOurs(t *testing.T) {
	const log = "5a010203-0405-4607-8809-0a0b0c0d0e0f"
	for name, want := range map[string]bool{
		"events/date=2026-11-20/" + log + ".parquet":                              true,
		"events/date=__HIVE_DEFAULT_PARTITION__/empty.parquet":                    true,
		"events/date=2026-11-20/compact-0123456789abcdef0123456789abcdef.parquet": true,
		"events/date=2026-11-20/" + strings.ToUpper(log) + ".parquet":             false,
		"events/date=2026-11-2x/" + log + ".parquet":                              false,
		"events/date=2026-11-20/../../x/" + log + ".parquet":                      false,
		"../events/" + log + ".parquet":                                           false,
		"other/date=2026-11-20/" + log + ".parquet":                               false,
		"events/date=2026-11-20/compact-0123.parquet":                             false,
		"events/date=2026-11-20/" + log + ".parquet.tmp":                          false,
		"/events/date=2026-11-20/" + log + ".parquet":                             false,
		`events\date=2026-11-20\` + log + ".parquet":                              false,
	} {
		if got := ours(name); got != want {
			t.Errorf("ours(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestHostileManifest(t *testing.T) {
	head := `5a010203-0405-4607-8809-0a0b0c0d0e0f@0#47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU`
	line := func(path, log, head string) string {
		return `{"table":"events","path":"` + path + `","log":"` + log + `","head":"` + head + `","date":"2026-11-20","rows":0,"bytes":0,"variant":""}` + "\n"
	}
	log := head[:36]
	for name, content := range map[string]string{
		"not JSON":         "x\n",
		"path leaves":      line("../../etc/passwd", log, head),
		"head of another":  line("", "00000000-0000-4000-8000-000000000000", head),
		"no head":          line("", log, ""),
		"unknown table":    strings.Replace(line("", log, head), `"events"`, `"secrets"`, 1),
		"date leaves":      strings.Replace(line("", log, head), "2026-11-20", "../../etc", 1),
		"rows nowhere":     strings.Replace(line("", log, head), `"rows":0`, `"rows":1`, 1),
		"a very long line": strings.Repeat(" ", 100<<10) + "\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ManifestName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readManifest(dir); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: error %v, want one that names line 1", name, err)
		}
	}
}

// TestTwoDates refuses a log whose tables are of two dates: files are found by
// the one.
func TestTwoDates(t *testing.T) {
	m := make(manifest)
	const line = `{"table":"%s","log":"5a010203-0405-4607-8809-0a0b0c0d0e0f","head":"5a010203-0405-4607-8809-0a0b0c0d0e0f@0#47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU","date":"%s","rows":0,"bytes":0,"variant":""}`
	if err := m.add(fmt.Appendf(nil, line, "events", "2026-11-20")); err != nil {
		t.Fatal(err)
	}
	if err := m.add(fmt.Appendf(nil, line, "blocks", "2026-11-21")); err == nil {
		t.Error("no error")
	}
}

// TestManifestMemory keeps what an export holds of each log small: a kilobyte.
func TestManifestMemory(t *testing.T) {
	const logs = 20_000
	m := make(manifest)
	var lines []byte
	before := heap()
	for i := range logs {
		id := format.LogID{byte(i >> 16), byte(i >> 8), byte(i), 6: 0x40, 8: 0x80}
		e := &exported{head: format.Head{Log: id, Size: 9}, date: "2026-11-20"}
		e.parts = make(map[Table]part)
		for _, table := range Tables() {
			e.parts[table] = part{rows: 3, bytes: 4000, variant: "rows=1"}
		}
		var line bytes.Buffer
		if err := e.write(&line, id); err != nil {
			t.Fatal(err)
		}
		for l := range bytes.Lines(line.Bytes()) {
			if err := m.add(l); err != nil {
				t.Fatal(err)
			}
		}
		lines = line.Bytes()
	}
	if each := int64(heap()-before) / logs; each > 1024 {
		t.Errorf("%d bytes a log, want at most 1024", each)
	}
	if len(m) != logs || len(lines) == 0 {
		t.Errorf("%d logs, want %d", len(m), logs)
	}
}

// heap returns the bytes that are in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"table":"events","log":"x","head":"y"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m := make(manifest)
		if m.add(line) != nil {
			return
		}
		for name := range m.paths() {
			if !ours(name) {
				t.Errorf("path %q was taken", name)
			}
		}
	})
}
