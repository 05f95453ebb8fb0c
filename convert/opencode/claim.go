package opencode

import (
	"bytes"
	"path"
	"path/filepath"
	"strings"

	"github.com/ownlog/ownlog/convert"
)

const (
	sqliteMagic = "SQLite format 3\x00"
	shmSuffix   = "-shm"
	dataFolder  = "opencode"
	treeFolder  = "storage"
)

// DefaultRoots implements [convert.Vendor]: the databases of all release
// channels with their write-ahead logs, the database that OPENCODE_DB names, and
// the tree of releases before 1.2.
func (Vendor) DefaultRoots(env convert.Environment) []string {
	data := env.Getenv("XDG_DATA_HOME")
	if data == "" || !filepath.IsAbs(data) {
		data = filepath.Join(env.Home, ".local", "share")
	}
	data = filepath.Join(data, dataFolder)
	roots := []string{filepath.Join(data, "opencode.db")}
	add := func(pattern string) {
		// The only error is a bad pattern, which then matches nothing.
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			if f != roots[0] && !strings.HasSuffix(f, shmSuffix) {
				roots = append(roots, f)
			}
		}
	}
	add(filepath.Join(globQuote(data), "opencode*.db"))
	add(filepath.Join(globQuote(data), "opencode*.db"+walSuffix))
	if named := env.Getenv("OPENCODE_DB"); named != "" && named != ":memory:" {
		if !filepath.IsAbs(named) {
			named = filepath.Join(data, named)
		}
		roots = append(roots, named)
		add(globQuote(named) + walSuffix)
	}
	return append(roots, filepath.Join(data, treeFolder))
}

// globQuote makes a path a pattern that matches only itself.
func globQuote(path string) string {
	if filepath.Separator == '\\' {
		return path // no escapes in patterns there
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Guarded implements [convert.Guard]: files with keys and tokens are never opened,
// wherever they lie, since the data folder may be any.
func (Vendor) Guarded(f convert.File) (reason string) {
	switch path.Base(f.Rel) {
	case "auth.json", "mcp-auth.json":
		return "keys and tokens are never read"
	}
	return ""
}

// Claim implements [convert.Vendor].
func (Vendor) Claim(file convert.File) convert.Claim {
	parts := strings.Split(filepath.ToSlash(file.Path), "/")
	name := parts[len(parts)-1]
	folder := parts[:len(parts)-1]
	if claim := claimDatabase(file, name); claim.Kind != convert.ClaimNone {
		return claim
	}
	if root, _, ok := treePlace(parts); ok {
		return convert.Claim{Kind: convert.ClaimTree, Group: parentOf(file.Path, len(parts)-root-1)}
	}
	if reason := notHistory(folder, name); reason != "" {
		return convert.Claim{Kind: convert.ClaimRefused, Reason: reason}
	}
	if strings.HasSuffix(name, ".json") && looksExported(file.Head) {
		return convert.Claim{Kind: convert.ClaimTranscript}
	}
	return convert.Claim{}
}

// claimDatabase judges SQLite files. The schema may stand on any page, or in the
// -wal alone, so every database named *.db is claimed; opening it decides.
func claimDatabase(file convert.File, name string) convert.Claim {
	named := strings.HasPrefix(name, "opencode")
	switch {
	case strings.HasSuffix(name, ".db"+walSuffix) && named:
		return convert.Claim{Kind: convert.ClaimDatabase, Group: strings.TrimSuffix(file.Path, walSuffix)}
	case strings.HasSuffix(name, ".db"+shmSuffix) && named:
		return convert.Claim{Kind: convert.ClaimRefused, Reason: "shared memory of an open database: holds no history"}
	case bytes.HasPrefix(file.Head, []byte(sqliteMagic)):
		if strings.HasSuffix(name, ".db") || declaresSessions(file.Head) {
			return convert.Claim{Kind: convert.ClaimDatabase, Group: file.Path}
		}
	case named && strings.HasSuffix(name, ".db") && hasLostHeader(file.Head):
		return convert.Claim{Kind: convert.ClaimDatabase, Group: file.Path}
	case named && strings.HasSuffix(name, ".db"):
		return convert.Claim{Kind: convert.ClaimRefused, Reason: "named like OpenCode's database, but not an SQLite file"}
	}
	return convert.Claim{}
}

// declaresSessions looks for marks of a session database among the first pages,
// where parts of the schema may stand.
func declaresSessions(head []byte) bool {
	for _, mark := range []string{"CREATE TABLE `session`", "CREATE TABLE `part`", "REFERENCES `session`(`id`)", "REFERENCES `message`(`id`)"} {
		if bytes.Contains(head, []byte(mark)) || bytes.Contains(head, []byte(strings.ReplaceAll(mark, "`", `"`))) {
			return true
		}
	}
	return false
}

// treePlace finds the storage folder in a path and the table that a file below it
// belongs to: session/<project>/<ses>.json, message/<ses>/<msg>.json,
// part/<msg>/<prt>.json, todo/<ses>.json, session_diff/<ses>.json,
// project/<pid>.json. root is the place of the storage folder in the path.
func treePlace(parts []string) (root int, table string, ok bool) {
	n := len(parts)
	if n < 3 || !strings.HasSuffix(parts[n-1], ".json") {
		return 0, "", false
	}
	if n >= 4 && strings.HasPrefix(parts[n-4], treeFolder) {
		switch parts[n-3] {
		case tableSession, tableMessage, tablePart:
			return n - 4, parts[n-3], true
		}
	}
	if strings.HasPrefix(parts[n-3], treeFolder) {
		switch parts[n-2] {
		case tableTodo, tableSessionDiff, tableProject:
			return n - 3, parts[n-2], true
		}
	}
	return 0, "", false
}

// parentOf goes up n folders.
func parentOf(path string, n int) string {
	for range n {
		path = filepath.Dir(path)
	}
	return path
}

// notHistory says why a file that the tool keeps beside its sessions is refused.
func notHistory(folder []string, name string) string {
	below := func(top ...string) bool {
		for i, f := range folder {
			if f != dataFolder || i+1 >= len(folder) {
				continue
			}
			for _, t := range top {
				if folder[i+1] == t {
					return true
				}
			}
		}
		return false
	}
	parent := ""
	if len(folder) > 0 {
		parent = folder[len(folder)-1]
	}
	switch {
	case parent == dataFolder && (name == "auth.json" || name == "mcp-auth.json"):
		return "holds keys and tokens"
	case parent == dataFolder && name == "account.json":
		return "holds an account"
	case below("log"):
		return "a diagnostic log: holds no history"
	case below("snapshot"):
		return "file snapshots (git objects): no history of a session"
	case below("tool-output"):
		return "full text of a truncated tool output: does not say which session it belongs to"
	case below("repos", "bin"):
		return "a cache"
	case name == "migration" && strings.HasPrefix(parent, treeFolder):
		return "the version number of a storage tree: holds no history"
	}
	return ""
}

// looksExported reports whether a file begins like one of `opencode export`: an
// object whose first member, info, describes a session.
func looksExported(head []byte) bool {
	var s struct {
		ID        string `json:"id"`
		Role      string `json:"role"` // a message's info, not a session's
		ProjectID string `json:"projectID"`
		Directory string `json:"directory"`
		Version   string `json:"version"`
	}
	info := exportInfo(head)
	return info != nil && unmarshal(info, &s) == nil && s.ID != "" && s.Role == "" && (s.ProjectID != "" || s.Directory != "" || s.Version != "")
}
