package tool

// The vendors whose sessions [Vocabulary] knows, by their names in the log.
const (
	VendorClaudeCode = "claude-code"
	VendorCodex      = "codex"
	VendorOpenCode   = "opencode"
)

// Vocabulary returns the built-in tools under the names, and with the arguments,
// that a session of that vendor knows, so that it can go on in its own words.
// Descriptions are our own. An unknown vendor gives [Builtin].
//
// Names and arguments are those seen in sessions of Claude Code 2.1, Codex 0.169
// and OpenCode 1.
func Vocabulary(vendor string) *Set {
	switch vendor {
	case VendorClaudeCode:
		return vocabulary(
			renamed{Tool: Shell{}, name: "Bash", params: `{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number","description":"Milliseconds."},"description":{"type":"string"}},"required":["command"]}`},
			renamed{Tool: Read{}, name: "Read", params: `{"type":"object","properties":{"file_path":{"type":"string"},"offset":{"type":"number"},"limit":{"type":"number"}},"required":["file_path"]}`},
			renamed{Tool: Write{}, name: "Write", params: `{"type":"object","properties":{"file_path":{"type":"string"},"content":{"type":"string"}},"required":["file_path","content"]}`},
			renamed{Tool: Edit{}, name: "Edit", params: `{"type":"object","properties":{"file_path":{"type":"string"},"old_string":{"type":"string"},"new_string":{"type":"string"},"replace_all":{"type":"boolean"}},"required":["file_path","old_string","new_string"]}`},
			renamed{Tool: Edit{}, name: "MultiEdit", params: `{"type":"object","properties":{"file_path":{"type":"string"},"edits":{"type":"array","items":{"type":"object","properties":{"old_string":{"type":"string"},"new_string":{"type":"string"},"replace_all":{"type":"boolean"}},"required":["old_string","new_string"]}}},"required":["file_path","edits"]}`},
			renamed{Tool: Find{}, name: "Glob", params: `{"type":"object","properties":{"pattern":{"type":"string"},"path":{"type":"string"}},"required":["pattern"]}`},
			renamed{Tool: Search{}, name: "Grep", params: `{"type":"object","properties":{"pattern":{"type":"string"},"path":{"type":"string"},"glob":{"type":"string"},"output_mode":{"type":"string","enum":["content","files_with_matches","count"]},"-i":{"type":"boolean"},"-n":{"type":"boolean"},"-A":{"type":"number"},"-B":{"type":"number"},"-C":{"type":"number"},"type":{"type":"string"},"head_limit":{"type":"number"}},"required":["pattern"]}`},
			renamed{Tool: List{}, name: "LS", params: `{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}`},
			renamed{Tool: Note{}, name: "TodoWrite", params: `{"type":"object","properties":{"todos":{"type":"array","items":{"type":"object"}}},"required":["todos"]}`},
		)
	case VendorCodex:
		return vocabulary(
			renamed{Tool: Shell{}, name: "exec_command", params: `{"type":"object","properties":{"cmd":{"type":"string"},"workdir":{"type":"string"},"timeout_ms":{"type":"number"}},"required":["cmd"]}`},
			renamed{Tool: WriteInput{}, name: "write_stdin", params: `{"type":"object","properties":{"session_id":{"type":"number"},"chars":{"type":"string"}},"required":["session_id"]}`},
			renamed{Tool: Shell{}, name: "shell", params: `{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"}},"workdir":{"type":"string"},"timeout_ms":{"type":"number"}},"required":["command"]}`},
			renamed{Tool: Shell{}, name: "shell_command", params: `{"type":"object","properties":{"command":{"type":"string"},"workdir":{"type":"string"},"timeout_ms":{"type":"number"}},"required":["command"]}`},
			renamed{Tool: Patch{}, name: "apply_patch", custom: true},
			renamed{Tool: Read{}, name: "view_image", params: `{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}`},
			renamed{Tool: Note{}, name: "update_plan", params: `{"type":"object","properties":{"explanation":{"type":"string"},"plan":{"type":"array","items":{"type":"object"}}},"required":["plan"]}`},
		)
	case VendorOpenCode:
		return vocabulary(
			renamed{Tool: Shell{}, name: "bash", params: `{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number","description":"Milliseconds."},"description":{"type":"string"}},"required":["command"]}`},
			renamed{Tool: Read{}, name: "read", params: `{"type":"object","properties":{"filePath":{"type":"string"},"offset":{"type":"number"},"limit":{"type":"number"}},"required":["filePath"]}`},
			renamed{Tool: Write{}, name: "write", params: `{"type":"object","properties":{"filePath":{"type":"string"},"content":{"type":"string"}},"required":["filePath","content"]}`},
			renamed{Tool: Edit{}, name: "edit", params: `{"type":"object","properties":{"filePath":{"type":"string"},"oldString":{"type":"string"},"newString":{"type":"string"},"replaceAll":{"type":"boolean"}},"required":["filePath","oldString","newString"]}`},
			renamed{Tool: Patch{}, name: "apply_patch", params: `{"type":"object","properties":{"patchText":{"type":"string"}},"required":["patchText"]}`},
			renamed{Tool: List{}, name: "list", params: `{"type":"object","properties":{"path":{"type":"string"}}}`},
			renamed{Tool: Find{}, name: "glob", params: `{"type":"object","properties":{"pattern":{"type":"string"},"path":{"type":"string"}},"required":["pattern"]}`},
			renamed{Tool: Search{}, name: "grep", params: `{"type":"object","properties":{"pattern":{"type":"string"},"path":{"type":"string"},"include":{"type":"string"}},"required":["pattern"]}`},
			renamed{Tool: Note{}, name: "todowrite", params: `{"type":"object","properties":{"todos":{"type":"array","items":{"type":"object"}}},"required":["todos"]}`},
		)
	}
	return Builtin()
}

func vocabulary(tools ...renamed) *Set {
	s := new(Set)
	for _, t := range tools {
		s.Add(t.name, t)
	}
	return s
}
