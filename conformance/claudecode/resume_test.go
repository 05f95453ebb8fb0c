//go:build conformance

package claudecode

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// askedModel is the model that the tool is told to ask; the recordings' own.
const askedModel = "claude-sonnet-4-5"

// copyFixtures writes the bundled recordings into a folder.
func copyFixtures(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := fs.WalkDir(fixtures.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) == "README.md" {
			return err
		}
		content, err := fs.ReadFile(fixtures.FS, name)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// importedSession is a log that stands for a session a person could resume.
type importedSession struct {
	name convert.LogName
	log  format.LogID
}

// importFixtures imports the recordings of all vendors.
func importFixtures(t *testing.T, store format.Store, imports *convert.Imports) []importedSession {
	t.Helper()
	var sessions []importedSession
	seen := make(map[format.LogID]bool)
	_, err := convert.Import(t.Context(), store, imports, convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{}), convert.ImportOptions{
		Roots: []string{copyFixtures(t)},
		Progress: func(r convert.FileResult) {
			if r.Status == convert.FileFailed {
				t.Errorf("%s: %v", r.Path, r.Err)
			}
			for _, o := range r.Outcomes {
				if (o.Name.Kind == convert.LogSession || o.Name.Kind == convert.LogFork) && !seen[o.Log] {
					seen[o.Log] = true
					sessions = append(sessions, importedSession{o.Name, o.Log})
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// TestResume exports the recordings of all vendors, resumes each with the real
// tool, and compares what the tool sends with the view of the log.
func TestResume(t *testing.T) {
	tool := installTool(t)
	store := new(format.MemStore)
	imports := convert.OpenImports("")
	sessions := importFixtures(t, store, imports)
	if len(sessions) < 10 {
		t.Errorf("only %d sessions among the recordings", len(sessions))
	}
	for _, s := range sessions {
		want := saidInLog(t, store, s.log, askedModel)
		if len(want) == 0 {
			t.Logf("%s %s: nothing was said in it, so the tool has nothing to resume", s.name.Vendor, s.name.ID)
			continue
		}
		t.Run(s.name.Vendor+"/"+strings.ReplaceAll(s.name.ID, "/", "-"), func(t *testing.T) {
			got := resumeExport(t, tool, store, imports, s.log, t.TempDir())
			if diff := cmp.Diff(append(want, "user text "+nextPrompt), got); diff != "" {
				t.Errorf("-log +sent:\n%s", diff)
			}
		})
	}
}

// olderShare: of every so many sessions older versions resume one; all of them in
// a long run.
const olderShare = 6

// TestResumeOlder has older versions resume the same exports. They look for a
// session in the folder of the project alone in which they run.
func TestResumeOlder(t *testing.T) {
	store := new(format.MemStore)
	imports := convert.OpenImports("")
	sessions := importFixtures(t, store, imports)
	share := olderShare
	if os.Getenv("OWNLOG_SOAK") != "" {
		share = 1
	}
	for version, tool := range olderTools(t) {
		var resumed int
		for i, s := range sessions {
			want := saidInLog(t, store, s.log, askedModel)
			if len(want) == 0 || i%share != 0 {
				continue
			}
			resumed++
			want = asOlderSends(s.name.Vendor, want)
			t.Run(version+"/"+s.name.Vendor+"/"+strings.ReplaceAll(s.name.ID, "/", "-"), func(t *testing.T) {
				work := t.TempDir()
				got := resumeExport(t, tool, store, imports, s.log, work, claudecode.OptionCWD, work)
				if n := len(want); len(got) == n+2 && got[n] == "user text "+toolContinues {
					got = slices.Delete(got, n, n+1)
				}
				if diff := cmp.Diff(append(want, "user text "+nextPrompt), got); diff != "" {
					t.Errorf("-log +sent:\n%s", diff)
				}
			})
		}
		t.Logf("%s: %d of %d sessions resumed", version, resumed, len(sessions))
	}
}

// asOlderSends is what 2.1.197 sends where it differs from 2.1.330. Tools that a
// search found are named to it by a text, since it searches tools of its own
// provider alone; the last response of a session of its own that ends in a call
// without a result is left out. Where a session ends with the user's side it says
// that the model is to go on.
func asOlderSends(vendor string, want []string) []string {
	var out []string
	for _, line := range want {
		if head, _, found := strings.Cut(line, "reference "); found && strings.HasPrefix(line, "user result ") {
			line = head + "text [Tool references removed - tool search not enabled]"
		}
		out = append(out, line)
	}
	if vendor == claudecode.Name && strings.HasSuffix(out[len(out)-1], unanswered) {
		for len(out) > 0 && (strings.HasSuffix(out[len(out)-1], unanswered) || strings.HasPrefix(out[len(out)-1], "assistant ")) {
			out = out[:len(out)-1]
		}
	}
	return out
}

// nextPrompt is what a resumed session is asked.
const nextPrompt = "conformance: what comes next"

// resumeExport exports a log, resumes it with the tool in the folder work, and
// returns what the tool sends.
func resumeExport(t *testing.T, tool string, store format.Store, imports *convert.Imports, log format.LogID, work string, options ...string) []string {
	t.Helper()
	home := t.TempDir()
	file := exportTo(t, store, imports, log, filepath.Join(home, ".claude"), options...)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := startProvider(t)
	resume(t, tool, home, work, strings.TrimSuffix(filepath.Base(file), ".jsonl"), askedModel, nextPrompt, p)
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(after, before) {
		t.Error("the tool did not go on with the exported file")
	}
	return saidOnWire(t, p.sent(t, nextPrompt))
}

// exportTo exports a log to a configuration folder, with names and values of
// options, and returns the session's file.
func exportTo(t *testing.T, store format.Store, imports *convert.Imports, log format.LogID, dir string, options ...string) string {
	t.Helper()
	out := &convert.FolderOutput{Dir: dir}
	set := make(map[string]string)
	for i := 0; i+1 < len(options); i += 2 {
		set[options[i]] = options[i+1]
	}
	err := claudecode.Vendor{}.Export(t.Context(), convert.ExportRequest{
		Store: store, Imports: imports, Log: log, Size: -1, Options: set, Out: out, Report: new(schema.Fidelity),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range out.Written {
		if strings.HasSuffix(name, ".jsonl") && !strings.Contains(filepath.ToSlash(name), "/subagents/") {
			return name
		}
	}
	t.Fatalf("no session among %v", out.Written)
	return ""
}

func readBlob(t *testing.T, store format.Store, digest format.Hash) []byte {
	t.Helper()
	r, err := store.OpenBlob(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
