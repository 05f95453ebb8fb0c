package claudecode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Options of an export, by the names of the command's flags.
const (
	// OptionCWD is the working directory that the session belongs to in the
	// target. It decides the project folder. Empty: the session's own.
	OptionCWD = "cwd"
	// OptionRemap, if `true`, also replaces the session's own working directory by
	// OptionCWD at the beginning of paths in tool arguments. It has no effect on
	// records that are given back as they were.
	OptionRemap = "remap"
	// OptionOnly, if `transcript`, leaves out subagents and side files.
	OptionOnly = "only"
)

// Export implements [convert.Vendor]. A session imported from Claude Code is
// given back byte for byte, with its subagents and side files, in the places of a
// configuration folder; entries that were added to a fork of it follow as records
// of their own. Any other log is written anew from its view.
func (v Vendor) Export(ctx context.Context, req convert.ExportRequest) error {
	if only := req.Options[OptionOnly]; only != "" && only != "transcript" {
		return fmt.Errorf("option %s: %q is not known, want transcript", OptionOnly, only)
	}
	if req.Report == nil {
		req.Report = new(schema.Fidelity)
	}
	s, err := surveyLog(ctx, req)
	if err != nil {
		return err
	}
	switch {
	case s.rows:
		return exportSideFiles(ctx, req, s.project(req), s.session)
	case s.mirrored:
		return v.exportMirror(ctx, req, s)
	}
	return exportView(ctx, req, s)
}

// project returns the name of the project's folder.
func (s *survey) project(req convert.ExportRequest) string {
	cwd := s.cwd
	if to := req.Options[OptionCWD]; to != "" {
		cwd = to
	}
	if cwd == "" {
		return "-"
	}
	return projectDir(cwd)
}

// fileID names the exported session: its own id where the log is the session's
// and the tool takes the id as a name, else the log's.
func (s *survey) fileID(log format.LogID) string {
	if isUUID(s.session) && (identity{session: s.session}).logName().LogID() == log {
		return s.session
	}
	return log.String()
}

// exportMirror gives a transcript back, and what belongs to its session.
func (v Vendor) exportMirror(ctx context.Context, req convert.ExportRequest, s *survey) error {
	project := s.project(req)
	if s.agent != "" {
		return exportTranscript(ctx, req, s, agentPath(project, s.session, s.agent))
	}
	id := s.fileID(req.Log)
	if err := exportTranscript(ctx, req, s, "projects/"+project+"/"+id+".jsonl"); err != nil {
		return err
	}
	whole := req.Size < 0
	if !whole || req.Options[OptionOnly] == "transcript" || s.session == "" {
		return nil
	}
	assets := req
	assets.Log, assets.SHA256 = convert.LogName{Vendor: Name, Kind: convert.LogAssets, ID: s.session}.LogID(), ""
	_, err := req.Store.Info(ctx, assets.Log)
	hasAssets := !errors.Is(err, format.ErrNotFound)
	if hasAssets {
		if err := s.addAgents(ctx, assets); err != nil {
			return err
		}
		if err := exportSideFiles(ctx, assets, project, id); err != nil {
			return err
		}
	}
	for _, agent := range s.children {
		if err := exportAgent(ctx, req, project, id, s.session, agent); err != nil {
			return err
		}
	}
	return nil
}

// addAgents adds the agents that have a side file: not all are linked by a
// result.
func (s *survey) addAgents(ctx context.Context, assets convert.ExportRequest) error {
	err := convert.LatestRows(ctx, assets.Store, assets.Log, -1, func(row schema.Row, _ []byte) error {
		name, ok := strings.CutPrefix(row.ID, "subagents/agent-")
		if name, isMeta := strings.CutSuffix(name, ".meta.json"); ok && isMeta && isPlainName(name) && !slices.Contains(s.children, name) {
			s.children = append(s.children, name)
		}
		return nil
	})
	slices.Sort(s.children)
	return err
}

// agentPath is where a subagent's transcript lies.
func agentPath(project, session, agent string) string {
	return "projects/" + project + "/" + session + "/subagents/agent-" + agent + ".jsonl"
}

// exportAgent gives a subagent's transcript back, if it was imported.
func exportAgent(ctx context.Context, req convert.ExportRequest, project, fileID, session, agent string) error {
	req.Log, req.SHA256 = identity{session, agent}.logName().LogID(), ""
	s, err := surveyLog(ctx, req)
	if errors.Is(err, format.ErrNotFound) {
		req.Report.Add(schema.NotInSource, "subagent-transcript", 1, agent)
		return nil
	}
	if err != nil {
		return err
	}
	return exportTranscript(ctx, req, s, agentPath(project, fileID, agent))
}

// exportTranscript writes one mirrored transcript and, after it, the records of
// entries that were added to a fork of it.
func exportTranscript(ctx context.Context, req convert.ExportRequest, s *survey, name string) error {
	return createFile(req.Out, name, func(w io.Writer) error {
		next, err := convert.ExportTranscript(ctx, req, convert.TranscriptRange{To: s.size}, w)
		if err != nil {
			return err
		}
		req.Report.Add(schema.Preserved, "entry", next, "")
		if next == s.size {
			return nil
		}
		return continueTranscript(ctx, req, s, w)
	})
}

// exportSideFiles writes the newest content of every side file that an assets
// log holds.
func exportSideFiles(ctx context.Context, req convert.ExportRequest, project, session string) error {
	return convert.LatestRows(ctx, req.Store, req.Log, req.Size, func(row schema.Row, content []byte) error {
		if row.Table == tableIndex {
			req.Report.Add(schema.Dropped, codeIndex, 1, "")
			return nil
		}
		if row.Table != tableFile || !isPlainPath(row.ID) || !isPlainName(session) {
			req.Report.Add(schema.Dropped, "side-file-with-unusable-name", 1, row.ID)
			return nil
		}
		err := createFile(req.Out, sidePath(row.ID, project, session), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return err
		}
		req.Report.Add(schema.Preserved, "side-file", 1, "")
		return nil
	})
}

// isPlainPath tells whether a side file's id is a relative path that can be used
// everywhere.
func isPlainPath(id string) bool {
	for part := range strings.SplitSeq(id, "/") {
		if !isPlainName(part) {
			return false
		}
	}
	return true
}

// createFile makes one file of an export; it does not appear if write fails.
func createFile(out convert.Output, name string, write func(io.Writer) error) error {
	f, err := out.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		if a, ok := f.(interface{ Abort() error }); ok {
			err = errors.Join(err, a.Abort())
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Close()
}
