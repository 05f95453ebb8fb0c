//go:build conformance

package opencode

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// handed is a session on its way into the tool.
type handed struct {
	name            string
	file            string
	session         string
	provider, model string
	want            *imported // what our own importer makes of the file
	log             format.LogID
}

// shapes are a provider of each shape of request, with a model that answered in no
// session.
var shapes = map[string]string{"chat": "fake", "messages": "anthropic", "responses": "openai"}

const otherModel = "another-model"

// homes is how many homes the tool runs in at a time: its starts are what takes
// the time.
const homes = 2

// TestToolTakesAndSendsEverySession exports the recordings of all vendors for
// `opencode import`, has the tool import them, compares what it stored, resumes
// each, and compares the history that it sends with the view of the log: from the
// provider and model that answered last, and, in forks that the tool makes, from
// another model behind each of the other two shapes of request.
func TestToolTakesAndSendsEverySession(t *testing.T) {
	project := newProject(t)
	var sessions []*handed
	for _, vendor := range []convert.Vendor{opencode.Vendor{}, claudecode.Vendor{}, codex.Vendor{}} {
		sessions = append(sessions, exportFixtures(t, vendor, project)...)
	}
	models := make(map[string][]string)
	for _, provider := range shapes {
		models[provider] = []string{otherModel}
	}
	ids := make(map[string]string)
	for _, s := range sessions {
		for _, id := range s.ids(t) {
			if other := ids[id]; other != "" && other != s.name {
				t.Errorf("%s and %s both have %s: ids are the keys of a whole database", other, s.name, id)
			}
			ids[id] = s.name
		}
		for _, m := range s.models(t) {
			if !slices.Contains(models[m[0]], m[1]) {
				models[m[0]] = append(models[m[0]], m[1])
			}
		}
	}
	var taken, sent atomic.Int64
	t.Run("homes", func(t *testing.T) {
		for home := range homes {
			t.Run(strconv.Itoa(home), func(t *testing.T) {
				t.Parallel()
				tool := newCLI(t, project, models)
				var mine []*handed
				for i, s := range sessions {
					if i%homes == home {
						mine = append(mine, s)
					}
				}
				for i, s := range mine {
					switch i {
					case 0: // as a person does it: import, export, run
						if err := (opencode.Vendor{Command: tool.command}).Register(t.Context(), convert.Installed{Root: filepath.Dir(s.file), Files: []string{s.file}}); err != nil {
							t.Error(err)
						}
					default:
						tool.run(t, "", "import", s.file)
					}
				}
				tool.serve(t)
				for i, s := range mine {
					t.Run(s.name, func(t *testing.T) {
						if err := s.compareStored(t, tool); err != nil {
							t.Fatal(err)
						}
						taken.Add(1)
						for shape, provider := range shapes {
							if shape == apiOf(s.provider) {
								continue
							}
							path, got := tool.resume(t, tool.fork(t, s.session), provider, otherModel, false)
							want := s.want.resumed(t, s.session, path, provider, otherModel)
							if diff := cmp.Diff(want, got); diff != "" {
								t.Fatalf("%s: of the log (-), sent (+):\n%s", shape, diff)
							}
							sent.Add(1)
						}
						path, got := tool.resume(t, s.session, s.provider, s.model, i == 0)
						want := s.want.resumed(t, s.session, path, s.provider, s.model)
						if diff := cmp.Diff(want, got); diff != "" {
							t.Fatalf("of the log (-), sent (+):\n%s", diff)
						}
						sent.Add(1)
					})
				}
			})
		}
	})
	t.Logf("%d of %d sessions taken whole by the tool, %d of %d requests sent as the log says",
		taken.Load(), len(sessions), sent.Load(), len(sessions)*len(shapes))
}

// document is the file that was handed to the tool.
func (h *handed) document(t *testing.T) (b []byte, doc struct {
	Messages []struct {
		Info  struct{ ID string }
		Parts []struct{ ID string }
	}
}) {
	t.Helper()
	b, err := os.ReadFile(h.file)
	if err == nil {
		err = json.Unmarshal(b, &doc, json.MatchCaseInsensitiveNames(true), jsontext.AllowInvalidUTF8(true))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b, doc
}

// ids are the ids of the session, its messages and their parts.
func (h *handed) ids(t *testing.T) []string {
	_, doc := h.document(t)
	list := []string{h.session}
	for _, m := range doc.Messages {
		list = append(list, m.Info.ID)
		for _, p := range m.Parts {
			list = append(list, p.ID)
		}
	}
	return list
}

// models are the providers and models that the session names.
func (h *handed) models(t *testing.T) (list [][2]string) {
	list = append(list, [2]string{h.provider, h.model})
	for _, ev := range h.want.loadLog(t, h.log) {
		if out, ok := ev.Data.(*schema.ModelOutput); ok && out.Model != "" {
			list = append(list, [2]string{out.Provider, out.Model})
		}
	}
	return list
}

// compareStored compares what the tool stored with the file.
func (h *handed) compareStored(t *testing.T, tool *cli) error {
	b, _ := h.document(t)
	return opencode.CompareStored(h.file, b, tool.stored(t, h.session))
}

// exportFixtures imports a vendor's recordings and exports each session.
func exportFixtures(t *testing.T, vendor convert.Vendor, project string) (list []*handed) {
	t.Helper()
	dir := t.TempDir()
	sub, err := fs.Sub(fixtures.FS, vendor.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, sub); err != nil {
		t.Fatal(err)
	}
	folders, _ := filepath.Glob(filepath.Join(dir, "*"))
	if vendor.Name() != opencode.VendorName {
		folders = []string{dir}
	}
	for _, folder := range folders {
		if vendor.Name() == opencode.VendorName && filepath.Base(folder) == "README.md" {
			continue
		}
		in := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
		_, err := convert.Import(t.Context(), in.store, in.imports, convert.NewRegistry(vendor), convert.ImportOptions{
			Roots: []string{folder}, Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, log := range in.sessions() {
			if slices.Contains(in.sessions()[:i], log) {
				continue
			}
			out := &convert.FolderOutput{Dir: t.TempDir()}
			req := convert.ExportRequest{
				Store: in.store, Imports: in.imports, Log: log, Size: -1, Out: out, Report: new(schema.Fidelity),
				Options: map[string]string{opencode.OptionCWD: project, opencode.OptionOnly: "transcript"},
			}
			if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			list = append(list, readHanded(t, vendor.Name()+"/"+filepath.Base(folder), out.Written[0]))
		}
	}
	return list
}

// readHanded reads an exported file back with our own importer.
func readHanded(t *testing.T, name, file string) *handed {
	t.Helper()
	h := &handed{file: file, session: strings.TrimSuffix(filepath.Base(file), ".json"), provider: "unknown", model: "unknown"}
	h.name = name + "/" + h.session
	h.want = importPath(t, nil, file)
	if logs := h.want.sessions(); len(logs) == 1 {
		h.log = logs[0]
	} else {
		t.Fatalf("%s: %d sessions in the file", name, len(logs))
	}
	for _, ev := range h.want.loadLog(t, h.log) {
		if out, ok := ev.Data.(*schema.ModelOutput); ok && out.Model != "" {
			h.provider, h.model = out.Provider, out.Model
		}
	}
	return h
}
