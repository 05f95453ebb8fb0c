//go:build conformance

package analytics

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/stats"
	"github.com/ownlog/ownlog/format"
)

// TestTokensBesideCcusage counts the tokens of every session of the corpus, by
// day and model, with the statistics and with ccusage 20.0.24. Where the two do
// not count the same, a rule below says what ccusage does with the records of the
// file; with that done to our figures both must be equal. OWNLOG_CCUSAGE names a
// folder in which ccusage is installed; it runs offline.
//
// Each session is counted by itself: over many files ccusage counts a response
// once, wherever it stands, while a log has what its session says.
func TestTokensBesideCcusage(t *testing.T) {
	tool := findCcusage(t)
	var mu sync.Mutex // guards the counts
	var equal, explained int
	rules := make(map[string]int)
	t.Run("sessions", func(t *testing.T) {
		for _, name := range corpusFiles(t) {
			t.Run(filepath.Base(name), func(t *testing.T) {
				t.Parallel()
				needed := besideCcusage(t, tool, name)
				mu.Lock()
				defer mu.Unlock()
				if len(needed) == 0 {
					equal++
					return
				}
				explained++
				for _, rule := range needed {
					rules[rule]++
				}
			})
		}
	})
	t.Logf("%d sessions equal by day and model, %d with differences that are explained", equal, explained)
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		t.Logf("  %d sessions: %s", rules[rule], rule)
	}
	// The corpus has all of them: a rule that nothing needs is one nobody checks.
	for rule := range ccusageRules("claude") {
		if rules[rule] == 0 {
			t.Errorf("no session needs the rule %q", rule)
		}
	}
	for rule := range ccusageRules("codex") {
		if rules[rule] == 0 {
			t.Errorf("no session needs the rule %q", rule)
		}
	}
	if equal < 90 {
		t.Errorf("%d sessions are equal without any rule, want 90 at least", equal)
	}
}

// besideCcusage compares a session's tokens and returns the rules that it took to
// make them equal.
func besideCcusage(t *testing.T, tool, name string) (needed []string) {
	t.Helper()
	theirs, vendor := runCcusage(t, tool, name)
	ours := countTokens(t, name)
	if maps.Equal(ours, theirs) {
		return nil
	}
	for rule, apply := range ccusageRules(vendor) {
		before := maps.Clone(ours)
		apply(sessionRecords(t, name), ours)
		if !maps.Equal(before, ours) {
			needed = append(needed, rule)
		}
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Fatalf("-ccusage +ownlog, with the known differences made up:\n%s", diff)
	}
	return needed
}

// tokenKey and tokenCount are a group and its tokens.
type tokenKey struct{ Day, Model string }

type tokenCount struct{ Input, Output, CacheRead, CacheWrite int64 }

type tokenCounts map[tokenKey]tokenCount

func (c tokenCounts) add(k tokenKey, n tokenCount) {
	have := c[k]
	n = tokenCount{have.Input + n.Input, have.Output + n.Output, have.CacheRead + n.CacheRead, have.CacheWrite + n.CacheWrite}
	if n == (tokenCount{}) {
		delete(c, k)
		return
	}
	c[k] = n
}

func (n tokenCount) minus() tokenCount {
	return tokenCount{-n.Input, -n.Output, -n.CacheRead, -n.CacheWrite}
}

// sessionRecord is what the rules look at in a line of a session.
type sessionRecord struct {
	line      []byte
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Message   struct {
		ID    string      `json:"id"`
		Model string      `json:"model"`
		Usage claudeUsage `json:"usage"`
	} `json:"message"`
	Data struct {
		Type    string         `json:"type"`
		Message *sessionRecord `json:"message"`
	} `json:"data"`
	Payload struct {
		Type string `json:"type"`
		Info struct {
			Model string `json:"model"`
			Last  struct {
				Input  int64 `json:"input_tokens"`
				Output int64 `json:"output_tokens"`
				Cached int64 `json:"cached_input_tokens"`
			} `json:"last_token_usage"`
		} `json:"info"`
	} `json:"payload"`
}

type claudeUsage struct {
	Input      int64  `json:"input_tokens"`
	Output     int64  `json:"output_tokens"`
	CacheRead  int64  `json:"cache_read_input_tokens"`
	CacheWrite int64  `json:"cache_creation_input_tokens"`
	Speed      string `json:"speed"`
}

func (r *sessionRecord) day() string { return r.Timestamp[:min(10, len(r.Timestamp))] }

func (r *sessionRecord) claude() (tokenKey, tokenCount) {
	u := r.Message.Usage
	return tokenKey{r.day(), r.Message.Model}, tokenCount{u.Input, u.Output, u.CacheRead, u.CacheWrite}
}

func (r *sessionRecord) codex() tokenCount {
	u := r.Payload.Info.Last
	return tokenCount{Input: u.Input - u.Cached, Output: u.Output, CacheRead: u.Cached}
}

// ccusageRules do to our figures of a session what ccusage does with its records.
func ccusageRules(vendor string) map[string]func([]*sessionRecord, tokenCounts) {
	if vendor == "claude" {
		return map[string]func([]*sessionRecord, tokenCounts){
			"ccusage adds what progress records repeat from a subagent; it has a transcript, and a log, of its own": addProgress,
			"ccusage passes over lines with blanks between JSON tokens":                                             dropSpaced,
			"ccusage counts records without a type, which no version of Claude Code writes and import refuses":      addUntyped,
		}
	}
	return map[string]func([]*sessionRecord, tokenCounts){
		"ccusage takes gpt-5 where the session names no model":                                             assumeModel,
		"ccusage takes the model from a member of token counts that Codex does not write":                  takeInfoModel,
		"ccusage counts tokens of a session without turns and responses; a log has nothing they belong to": addTurnless,
	}
}

func addProgress(records []*sessionRecord, ours tokenCounts) {
	last := make(map[string]*sessionRecord)
	for _, r := range records {
		m := r.Data.Message
		if r.Type != "progress" || r.Data.Type != "agent_progress" || m == nil || m.Type != "assistant" {
			continue
		}
		if was := last[m.Message.ID]; was != nil && was.Message.Usage.Output >= m.Message.Usage.Output {
			continue // repeated with each block of the response
		}
		m.Timestamp = r.Timestamp
		last[m.Message.ID] = m
	}
	for _, m := range last {
		ours.add(m.claude())
	}
}

func dropSpaced(records []*sessionRecord, ours tokenCounts) {
	for _, r := range records {
		if r.Type == "assistant" && bytes.Contains(r.line, []byte(`"usage": {`)) {
			key, n := r.claude()
			ours.add(key, n.minus())
		}
	}
}

func addUntyped(records []*sessionRecord, ours tokenCounts) {
	for _, r := range records {
		if r.Type != "" {
			continue
		}
		key, n := r.claude()
		if r.Message.Usage.Speed == "fast" {
			key.Model += "-fast" // ccusage's name for what costs more
		}
		ours.add(key, n)
	}
}

func assumeModel(_ []*sessionRecord, ours tokenCounts) {
	for key, n := range maps.Clone(ours) {
		if key.Model == "" {
			ours.add(key, n.minus())
			ours.add(tokenKey{key.Day, "gpt-5"}, n)
		}
	}
}

func takeInfoModel(records []*sessionRecord, ours tokenCounts) {
	for _, r := range records {
		model := r.Payload.Info.Model
		if r.Payload.Type != "token_count" || model == "" {
			continue
		}
		for key, n := range maps.Clone(ours) {
			if key.Day == r.day() && key.Model != model && n == r.codex() {
				ours.add(key, n.minus())
				ours.add(tokenKey{key.Day, model}, n)
			}
		}
	}
}

func addTurnless(records []*sessionRecord, ours tokenCounts) {
	if len(ours) > 0 {
		return
	}
	for _, r := range records {
		if r.Payload.Type == "token_count" {
			ours.add(tokenKey{r.day(), "gpt-5"}, r.codex())
		}
	}
}

// countTokens returns what the statistics say of a session file.
func countTokens(t *testing.T, name string) tokenCounts {
	t.Helper()
	store := new(format.MemStore)
	_, err := convert.Import(t.Context(), store, convert.OpenImports(""), convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}),
		convert.ImportOptions{Roots: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	logs := func(yield func(format.LogID) bool) {
		for id, err := range store.List(t.Context()) {
			if err != nil || !yield(id) {
				return
			}
		}
	}
	report, err := stats.Collect(t.Context(), store, logs, stats.Query{By: []stats.Dimension{stats.ByDay, stats.ByModel}})
	if err != nil || len(report.Failed) > 0 {
		t.Fatal(err, report.Failed)
	}
	counts := make(tokenCounts)
	for _, u := range report.Usage {
		counts.add(tokenKey{u.Group[0], u.Group[1]}, tokenCount{u.Input, u.Output, u.CacheRead, u.CacheWrite5m + u.CacheWrite1h})
	}
	return counts
}

// runCcusage returns what ccusage says of a session file, alone in a folder like
// the vendor's, and which vendor that is.
func runCcusage(t *testing.T, tool, name string) (tokenCounts, string) {
	t.Helper()
	home := t.TempDir()
	vendor, folder, variable := "claude", "projects/p", "CLAUDE_CONFIG_DIR"
	if isCodex(t, name) {
		vendor, folder, variable = "codex", "sessions/2026/01/01", "CODEX_HOME"
	}
	dir := filepath.Join(home, filepath.FromSlash(folder))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(name, filepath.Join(dir, filepath.Base(name))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), tool, vendor, "daily", "--json", "--offline", "--timezone", "UTC")
	cmd.Env = []string{"HOME=" + filepath.Join(home, "none"), variable + "=" + home, "NO_COLOR=1"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	var report struct {
		Daily []struct {
			Date   string `json:"date"`
			Claude []struct {
				Model      string `json:"modelName"`
				Input      int64  `json:"inputTokens"`
				Output     int64  `json:"outputTokens"`
				CacheRead  int64  `json:"cacheReadTokens"`
				CacheWrite int64  `json:"cacheCreationTokens"`
			} `json:"modelBreakdowns"`
			Codex map[string]struct {
				Input  int64 `json:"inputTokens"`
				Output int64 `json:"outputTokens"`
				Cached int64 `json:"cacheReadTokens"`
			} `json:"models"`
		} `json:"daily"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	counts := make(tokenCounts)
	for _, day := range report.Daily {
		for _, m := range day.Claude {
			counts.add(tokenKey{day.Date, m.Model}, tokenCount{m.Input, m.Output, m.CacheRead, m.CacheWrite})
		}
		for model, m := range day.Codex {
			counts.add(tokenKey{day.Date, model}, tokenCount{Input: m.Input, Output: m.Output, CacheRead: m.Cached})
		}
	}
	return counts, vendor
}

// isCodex tells a Codex rollout by the shape of its records.
func isCodex(t *testing.T, name string) bool {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head := b[:min(len(b), 4096)]
	return bytes.Contains(head, []byte(`"payload"`)) || bytes.Contains(head, []byte(`"record_type"`))
}

// sessionRecords returns the lines of a session that are JSON objects of the
// expected form.
func sessionRecords(t *testing.T, name string) []*sessionRecord {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var records []*sessionRecord
	for line := range bytes.Lines(b) {
		r := &sessionRecord{line: line}
		if json.Unmarshal(line, r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) == nil {
			records = append(records, r)
		}
	}
	return records
}

// corpusFiles returns the transcripts of the corpus.
func corpusFiles(t *testing.T) []string {
	t.Helper()
	corpus := os.Getenv("OWNLOG_CORPUS")
	var names []string
	err := filepath.WalkDir(corpus, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".jsonl") {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("OWNLOG_CORPUS=%q: want a folder with sessions: %v", corpus, err)
	}
	return names
}

// findCcusage returns the program of the installed package.
func findCcusage(t *testing.T) string {
	t.Helper()
	home := os.Getenv("OWNLOG_CCUSAGE")
	names, err := filepath.Glob(filepath.Join(home, "node_modules", "@ccusage", "*", "bin", "ccusage*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("OWNLOG_CCUSAGE=%q: want a folder with the npm package ccusage 20.0.24: %v %v", home, names, err)
	}
	return names[0]
}
