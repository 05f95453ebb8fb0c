package claudecode

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf16"
)

// projectDir returns the name of the folder in which the tool keeps the
// sessions of a working directory: every UTF-16 code unit other than an ASCII
// letter or digit becomes a hyphen, and a name above 200 units is cut and gets a
// hash of the whole path. It cannot be reversed. Seen with 2.1.330.
func projectDir(cwd string) string {
	const limit = 200
	units := utf16.Encode([]rune(cwd))
	var name strings.Builder
	var hash int32
	for _, u := range units {
		hash = hash<<5 - hash + int32(u)
		if u < 0x80 && isAlphanumeric(byte(u)) {
			name.WriteByte(byte(u))
		} else {
			name.WriteByte('-')
		}
	}
	if len(units) <= limit {
		return name.String()
	}
	positive := int64(hash)
	if positive < 0 {
		positive = -positive
	}
	return name.String()[:limit] + "-" + strconv.FormatInt(positive, 36)
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isUUID tells whether a name is a UUID, as names of sessions are.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
	}
	return true
}

// isPlainName tells whether a string can be part of a file name everywhere.
func isPlainName(s string) bool {
	if s == "" || len(s) > 100 || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' && c != '@' {
			return false
		}
	}
	return true
}

// sideFile is a file that belongs to a session besides its transcripts.
type sideFile struct {
	home    string // folder of the configuration with a slash at its end, as far as the path names it
	session string
	id      string // path without what names project and session: the row's id
}

// sidePlace tells from its path whether a file belongs to a session.
func sidePlace(slashed string) (sideFile, bool) {
	parts := strings.Split(slashed, "/")
	n := len(parts)
	for i := n - 2; i >= 0; i-- {
		if !isUUID(parts[i]) {
			continue
		}
		rest := path.Join(parts[i+1:]...)
		if i > 0 && n == i+2 && (parts[i-1] == "tasks" || parts[i-1] == "file-history") {
			return sideFile{home: joined(parts[:i-1]), session: parts[i], id: parts[i-1] + "/" + rest}, true
		}
		inProject := i >= 2 && parts[i-2] == "projects"
		known := parts[i+1] == "tool-results" || parts[i+1] == "custom-title.json" ||
			parts[i+1] == "subagents" && strings.HasSuffix(rest, ".meta.json")
		if !inProject && !known {
			return sideFile{}, false
		}
		home := parts[:i]
		if inProject {
			home = parts[:i-2]
		}
		return sideFile{home: joined(home), session: parts[i], id: rest}, true
	}
	// Old todo lists: todos/<session>-agent-<agent>.json.
	if n >= 2 && parts[n-2] == "todos" && len(parts[n-1]) > 37 && isUUID(parts[n-1][:36]) && parts[n-1][36] == '-' {
		return sideFile{home: joined(parts[:n-2]), session: parts[n-1][:36], id: "todos/" + parts[n-1][37:]}, true
	}
	return sideFile{}, false
}

// isIndex tells from its path whether a file is a project's index of sessions, as
// older versions kept it: projects/<project>/sessions-index.json.
func isIndex(slashed string) bool {
	parts := strings.Split(slashed, "/")
	n := len(parts)
	return n >= 3 && parts[n-1] == "sessions-index.json" && parts[n-3] == "projects"
}

func joined(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "/") + "/"
}

// sidePath is the reverse of sidePlace: where a side file of a session lies below
// the configuration folder; project is the name of its project's folder.
func sidePath(id, project, session string) string {
	top, rest, _ := strings.Cut(id, "/")
	switch {
	case rest != "" && (top == "tasks" || top == "file-history"):
		return top + "/" + session + "/" + rest
	case rest != "" && top == "todos":
		return top + "/" + session + "-" + rest
	}
	return "projects/" + project + "/" + session + "/" + id
}
