package claudecode

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ownlog/ownlog/convert"
)

var _ convert.Installer = Vendor{}

// InstallRoot implements [convert.Installer]: the configuration folder.
func (v Vendor) InstallRoot(env convert.Environment) (string, error) {
	roots := v.DefaultRoots(env)
	if len(roots) == 0 {
		return "", errors.New("no home folder is known; set CLAUDE_CONFIG_DIR")
	}
	return roots[0], nil
}

// Register implements [convert.Installer]. The tool keeps no list of sessions: it
// looks into the folder of the project.
func (Vendor) Register(context.Context, convert.Installed) error { return nil }

// ResumeCommand implements [convert.Installer]. It is to be run in the session's
// folder, whose name decides where the tool looks.
func (Vendor) ResumeCommand(in convert.Installed) ([]string, error) {
	// The transcript of the session itself lies directly in the project's folder;
	// those of subagents lie deeper.
	for _, file := range in.Files {
		rel, err := filepath.Rel(filepath.Join(in.Root, "projects"), file)
		if err != nil {
			continue
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		if len(parts) != 2 {
			continue
		}
		if id, ok := strings.CutSuffix(parts[1], ".jsonl"); ok && isUUID(id) {
			return []string{"claude", "--resume", id}, nil
		}
	}
	return nil, fmt.Errorf("none of %d files is the transcript of a session that the tool resumes", len(in.Files))
}
