package claudecode

import (
	"bytes"
	"path"
	"path/filepath"
	"strings"

	"github.com/ownlog/ownlog/convert"
)

// Vendor reads and writes Claude Code sessions. It implements [convert.Vendor]
// and [convert.Guard], holds no state and is safe for concurrent use.
type Vendor struct{}

// Name implements [convert.Vendor].
func (Vendor) Name() string { return Name }

// DefaultRoots implements [convert.Vendor]: CLAUDE_CONFIG_DIR, else ~/.claude.
func (Vendor) DefaultRoots(env convert.Environment) []string {
	if env.Getenv != nil {
		if dir := env.Getenv("CLAUDE_CONFIG_DIR"); dir != "" {
			return []string{dir}
		}
	}
	if env.Home == "" {
		return nil
	}
	return []string{filepath.Join(env.Home, ".claude")}
}

// Guarded implements [convert.Guard]: keys and credentials are not opened.
func (Vendor) Guarded(f convert.File) (reason string) {
	slashed := filepath.ToSlash(f.Path)
	name := path.Base(slashed)
	switch {
	case name == ".credentials.json":
		return "credentials are never read"
	case path.Ext(name) == ".key" && inFolder(slashed, "sessions"):
		return "keys of running sessions are never read"
	case name == ".claude.json":
		return "configuration and account data, not history"
	}
	return ""
}

// Claim implements [convert.Vendor]. Transcripts are known by their content,
// wherever they lie; side files by their place.
func (Vendor) Claim(f convert.File) convert.Claim {
	slashed := filepath.ToSlash(f.Path)
	if side, ok := sidePlace(slashed); ok && !strings.HasSuffix(slashed, ".jsonl") {
		if path.Base(side.id)[0] == '.' {
			return convert.Claim{Kind: convert.ClaimRefused, Reason: "a lock or marker of the running tool, not history"}
		}
		return convert.Claim{Kind: convert.ClaimSide, Group: side.home + side.session}
	}
	if isIndex(slashed) {
		return convert.Claim{Kind: convert.ClaimSide, Group: slashed}
	}
	if holdsTranscript(f.Head) {
		return convert.Claim{Kind: convert.ClaimTranscript}
	}
	if reason := notHistory(slashed, f.Head); reason != "" {
		return convert.Claim{Kind: convert.ClaimRefused, Reason: reason}
	}
	return convert.Claim{}
}

// holdsTranscript tells whether one of the first lines is a record of a
// transcript. A last line that is cut off counts, too: a record can be long.
func holdsTranscript(head []byte) bool {
	for line := range bytes.Lines(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))) {
		line = bytes.TrimSpace(line)
		if kind(line) != '{' {
			continue
		}
		var r record
		r.read(line)
		if r.ofTranscript() {
			return true
		}
	}
	return false
}

// ofTranscript tells a Claude Code record from those of other tools.
func (r *record) ofTranscript() bool {
	typ, _ := unquote(r.members[fType])
	inSession := kind(r.members[fSessionID]) == '"'
	inTree := kind(r.members[fUUID]) == '"'
	hasMessage := kind(r.members[fMessage]) == '{'
	switch typ {
	case "user", "assistant":
		return hasMessage || inSession && inTree // the message may be cut off
	case "attachment":
		return kind(r.members[fAttachment]) == '{'
	case "system":
		return inSession || inTree
	case "summary":
		return kind(r.members[fLeafUUID]) == '"'
	case "file-history-snapshot", "file-history-delta":
		return true
	case "":
		return inSession && hasMessage || r.members[fParentUUID] != nil && r.members[fIsSidechain] != nil
	}
	return inSession && knownType(typ) || inSession && stateType(typ)
}

// stateType tells of a record type without a place in the tree that is mapped.
func stateType(typ string) bool {
	switch typ {
	case "api-request", "api-request-shape", "last-prompt", "custom-title", "ai-title", "mode", "permission-mode":
		return true
	}
	return false
}

// notHistory says why a file of the tool is not imported, "" if it is not the
// tool's.
func notHistory(slashed string, head []byte) string {
	first, _, _ := bytes.Cut(head, []byte{'\n'})
	switch {
	case member(first, "pastedContents") != nil && member(first, "display") != nil:
		return "prompts of all sessions; each session's transcript has its own"
	case member(bytes.TrimSpace(head), "loglines") != nil:
		return "a session as the web client exports it, not a transcript of the tool"
	case !inFolder(slashed, ".claude"):
		return ""
	}
	switch name := path.Base(slashed); {
	case inFolder(slashed, "sessions"):
		return "the registry of running sessions"
	case strings.HasPrefix(name, "settings"):
		return "settings, not history"
	}
	return "not session history"
}

// inFolder tells whether a path has a folder of that name.
func inFolder(slashed, name string) bool {
	return strings.Contains("/"+path.Dir(slashed)+"/", "/"+name+"/")
}
