package codex

import (
	"bytes"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"github.com/ownlog/ownlog/convert"
)

// Kinds of side files. A group is the folder and the name of the file without what
// its database's own files add: two homes are two sources.
const (
	sideIndex = "session_index"
	sideGoals = "goals"
	sideQueue = "queue"
)

// sideGroup names the group of a side file.
func sideGroup(f convert.File, name string) string {
	return path.Join(filepath.ToSlash(filepath.Dir(f.Path)), name)
}

// sideKind is the kind of the side files of a group.
func sideKind(group string) string {
	kind, version, _ := strings.Cut(path.Base(group), "_")
	if kind+"_"+version == sideIndex {
		return sideIndex
	}
	return kind
}

// The patterns are compiled when they are first needed: every run of the command
// would wait for them.
var (
	rolloutName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^rollout-.*\.jsonl(\.zst)?$`) })
	sqliteName  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(state|thread_history|logs|memories|goals|queue)(_[0-9]+)\.sqlite(-wal|-shm|-journal)?$`)
	})
)

// refusedNames are files of the CLI's home that are not history.
var refusedNames = map[string]string{
	"auth.json":                            "credentials; never read",
	".credentials.json":                    "credentials; never read",
	"config.toml":                          "configuration, not history",
	"history.jsonl":                        "prompt history of the terminal interface; the sessions hold the same prompts",
	"version.json":                         "state of the tool, not history",
	"models_cache.json":                    "state of the tool, not history",
	"installation_id":                      "state of the tool, not history",
	".personality_migration":               "state of the tool, not history",
	"external_agent_session_imports.json":  "ledger of the tool's own imports, not history",
	"external_agent_session_imports.json~": "ledger of the tool's own imports, not history",
	"codex-tui.log":                        "log of the tool, not history",
}

// refusedTables say why a database of the CLI's home is not imported.
var refusedTables = map[string]string{
	"state":          "an index that the tool makes from the rollouts",
	"thread_history": "a projection that the tool makes from the rollouts",
	"logs":           "logs of the tool, not history",
	"memories":       "memories of the tool, not history of a session",
}

// Guarded implements [convert.Guard]: files with keys are never opened, wherever
// they lie, since CODEX_HOME may be any folder; nor are the locks that running
// tools hold.
func (v Vendor) Guarded(f convert.File) (reason string) {
	if inFolder(filepath.ToSlash(f.Path), "thread-writer-locks") {
		return "the lock of a running tool"
	}
	if name := path.Base(f.Rel); secretNames[name] {
		return refusedNames[name]
	}
	return ""
}

// secretNames are the files of the CLI's home that hold keys.
var secretNames = map[string]bool{"auth.json": true, ".credentials.json": true}

// Claim implements [convert.Vendor]. A rollout is known by its place and name,
// and by its first line, whatever its name.
func (v Vendor) Claim(f convert.File) convert.Claim {
	name := path.Base(f.Rel)
	if rolloutName().MatchString(name) || strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".zst") {
		if c := claimByContent(f, name); c.Kind != convert.ClaimNone {
			return c
		}
	}
	if m := sqliteName().FindStringSubmatch(name); m != nil && ours(f) {
		return claimDatabase(f, m)
	}
	if reason, ok := refusedNames[name]; ok && ours(f) {
		return refuse(reason)
	}
	if inFolder(f.Rel, "log") && strings.HasSuffix(name, ".log") && ours(f) {
		return refuse("log of the tool, not history")
	}
	return convert.Claim{}
}

// claimByContent looks at the first line.
func claimByContent(f convert.File, name string) convert.Claim {
	head := f.Head
	if bytes.HasPrefix(head, zstdMagic) {
		head = decompressHead(head)
	}
	switch kind := lineKind(firstLine(head)); {
	case kind == lineRollout:
		return convert.Claim{Kind: convert.ClaimTranscript}
	case kind == lineIndex && name == "session_index.jsonl":
		return convert.Claim{Kind: convert.ClaimSide, Group: sideGroup(f, sideIndex)}
	case kind == linePrompt && name == "history.jsonl":
		return refuse(refusedNames[name])
	case rolloutName().MatchString(name):
		// Damaged from the first line on; its bytes are kept.
		return convert.Claim{Kind: convert.ClaimTranscript}
	}
	return convert.Claim{}
}

func claimDatabase(f convert.File, m []string) convert.Claim {
	if reason, ok := refusedTables[m[1]]; ok {
		return refuse(reason)
	}
	return convert.Claim{Kind: convert.ClaimSide, Group: sideGroup(f, m[1]+m[2])}
}

func refuse(reason string) convert.Claim {
	return convert.Claim{Kind: convert.ClaimRefused, Reason: reason}
}

// ours reports whether a file of a common name lies in a CLI's home: below a
// folder `.codex`, or beside what only such a home has.
func ours(f convert.File) bool {
	full := strings.ReplaceAll(f.Path, "\\", "/")
	return inFolder(full, ".codex") || inFolder(full, "codex") || sqliteName().MatchString(path.Base(f.Rel))
}

func inFolder(name, folder string) bool {
	return strings.HasPrefix(name, folder+"/") || strings.Contains(name, "/"+folder+"/")
}

// firstLine returns the first line that is not blank, cut short if the head ends first.
func firstLine(head []byte) []byte {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	head = bytes.TrimLeft(head, " \t\r\n")
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	return line
}

// Kinds of first lines.
const (
	lineOther = iota
	lineRollout
	lineIndex
	linePrompt
)

// recordTypes are the types of enveloped records.
var recordTypes = map[string]bool{
	"session_meta": true, "response_item": true, "event_msg": true, "turn_context": true, "compacted": true,
	"world_state": true, "token_usage_record": true, "inter_agent_communication": true,
	"inter_agent_communication_metadata": true, "retained_context": true, "security_risk_score": true,
	"realtime_item": true, "dynamic_tools_updated": true,
}

// lineKind tells what file a line is the first of. The line may be cut short.
func lineKind(line []byte) int {
	names := map[string]string{} // of the top level, with the strings among their values
	dec := jsontext.NewDecoder(bytes.NewReader(line), decodeOptions...)
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return lineOther
	}
	for len(names) < maxSniffed && dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		key := name.String()
		if names[key] = "?"; dec.PeekKind() == '"' {
			v, err := dec.ReadToken()
			if err != nil {
				break
			}
			names[key] = v.String()
			continue
		}
		if err := dec.SkipValue(); err != nil {
			break
		}
	}
	has := func(keys ...string) bool {
		for _, k := range keys {
			if _, ok := names[k]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("payload", "type") && recordTypes[names["type"]]:
		return lineRollout
	case has("id", "timestamp") && !has("type") && (has("instructions") || has("git")):
		return lineRollout
	case has("id", "thread_name"):
		return lineIndex
	case has("session_id", "ts", "text"):
		return linePrompt
	}
	return lineOther
}

// maxSniffed is how many members of a line are looked at.
const maxSniffed = 32

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// decompressHead returns what can be read of a compressed file's first bytes.
func decompressHead(head []byte) []byte {
	dec, err := zstd.NewReader(bytes.NewReader(head), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil
	}
	defer dec.Close()
	out := make([]byte, convert.SniffSize)
	n := 0
	for n < len(out) {
		k, err := dec.Read(out[n:])
		n += k
		if err != nil {
			break
		}
	}
	return out[:n]
}
