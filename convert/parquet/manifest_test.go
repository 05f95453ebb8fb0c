package parquet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
