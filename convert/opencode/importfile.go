package opencode

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// sendable are the part types that `opencode import` of 1.18.33 takes. Others
// make it stop in the middle.
var sendable = map[string]bool{
	"text": true, "reasoning": true, "tool": true, "file": true, "step-start": true, "step-finish": true,
	"patch": true, "snapshot": true, "agent": true, "subtask": true, "compaction": true, "retry": true,
}

// writeImportFile writes the file for `opencode import` from a session's own
// rows: each message and part is the row's data as it stands, with the ids that
// the tool keeps in columns put behind it.
//
// What was added to a fork of the session after its rows follows as messages of
// their own; more is nil if there is nothing.
func writeImportFile(ctx context.Context, s *sessionRows, more *viewWriter, w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	report := s.req.Report
	info, id, err := s.sessionInfo(ctx)
	if err != nil {
		return err
	}
	out.WriteString(`{"info":`)
	out.Write(info)
	out.WriteString(`,"messages":[`)
	first := true
	for _, m := range s.messages {
		message, err := s.exported(ctx, m.rowRef, id, "")
		if err != nil {
			return err
		}
		if message.value == nil {
			report.Add(schema.Dropped, "message-not-json", 1, m.id)
			report.Add(schema.Dropped, "part-without-message", int64(len(m.parts)), m.id)
			continue
		}
		message.value = s.complete(m, message.value)
		if !first {
			out.WriteByte(',')
		}
		first = false
		out.WriteString(`{"info":`)
		if err := s.write(ctx, out, message); err != nil {
			return err
		}
		out.WriteString(`,"parts":[`)
		if err := s.writeParts(ctx, out, m, id, more); err != nil {
			return err
		}
		out.WriteString(`]}`)
		report.Add(schema.Preserved, "message", 1, m.id)
	}
	if more != nil {
		more.out, more.first, more.session = out, first, id
		if err := more.messages(s.native); err != nil {
			return err
		}
	}
	out.WriteString("]}\n")
	report.Add(schema.Dropped, "part-without-message", int64(len(s.orphans)), "")
	for _, o := range s.other {
		report.Add(schema.Dropped, o.row.Table+"-row", 1, o.row.ID)
	}
	return out.Flush()
}

func (s *sessionRows) writeParts(ctx context.Context, out *bufio.Writer, m *messageRef, session string, more *viewWriter) error {
	report := s.req.Report
	first, last := true, ""
	for _, p := range m.parts {
		part, err := s.exported(ctx, p, session, m.id)
		if err != nil {
			return err
		}
		var kind struct {
			Type string `json:"type"`
		}
		switch {
		case part.value == nil || unmarshal(part.value, &kind) != nil:
			report.Add(schema.Dropped, "part-not-json", 1, p.id)
			continue
		case !sendable[kind.Type]:
			report.Add(schema.Dropped, "unknown-part-type", 1, p.id)
			continue
		}
		if more != nil && more.answersLate(p.call) {
			if part, err = s.whole(ctx, p, session, m.id); err != nil {
				return err
			}
			if part.value, err = more.answerLate(part.value, p.call); err != nil {
				return err
			}
		}
		if err := checkPart(part.value); err != nil {
			report.Add(schema.Transformed, "tool-may-refuse", 1, err.Error())
		}
		if !first {
			out.WriteByte(',')
		}
		if p.id < last {
			report.Add(schema.Transformed, "part-order", 1, p.id) // the tool sorts by id
		}
		first, last = false, p.id
		if err := s.write(ctx, out, part); err != nil {
			return err
		}
		report.Add(schema.Preserved, "part", 1, p.id)
		report.Add(schema.Dropped, "part-time", 1, p.id) // the tool sets it anew
	}
	return nil
}

// exported is a message or part as the import file has it.
func (s *sessionRows) exported(ctx context.Context, ref rowRef, session, message string) (exportedRow, error) {
	if ref.big == nil {
		return s.whole(ctx, ref, session, message)
	}
	skeleton, err := s.skeleton(ctx, ref.big)
	if err != nil {
		return exportedRow{}, err
	}
	data := readRecord(ref.row, skeleton).data
	if data.Kind() != '{' { // or the data stands as a text
		return s.whole(ctx, ref, session, message)
	}
	return exportedRow{value: withIDs(data, ref.id, session, message), blob: ref.big, brace: bytes.LastIndexByte(data, '}')}, nil
}

// whole is exported for a row that is held in memory.
func (s *sessionRows) whole(ctx context.Context, ref rowRef, session, message string) (exportedRow, error) {
	b, err := s.read(ctx, ref)
	if err != nil {
		return exportedRow{}, fmt.Errorf("%s %s: %w", ref.row.Table, ref.row.ID, err)
	}
	rec := readRecord(ref.row, b)
	if rec.data.Kind() != '{' {
		return exportedRow{}, nil
	}
	return exportedRow{value: withIDs(rec.data, ref.id, session, message)}, nil
}

// complete adds what the tool asks of a message and releases of 2025 did not
// write, behind the members that are there.
func (s *sessionRows) complete(m *messageRef, message jsontext.Value) jsontext.Value {
	add := map[string]string{"agent": `"build"`, "model": `{"providerID":"unknown","modelID":"unknown"}`}
	if stringAt(message, "/role") == roleAssistant {
		add = map[string]string{
			"agent": `"build"`, "mode": `"build"`, "parentID": `"` + messagePrefix + `_unknown"`, "providerID": `"unknown"`, "modelID": `"unknown"`,
			"path": `{"cwd":"/","root":"/"}`, "cost": "0", "tokens": `{"input":0,"output":0,"reasoning":0,"cache":{"read":0,"write":0}}`,
		}
	}
	for _, name := range []string{"agent", "mode", "model", "parentID", "providerID", "modelID", "path", "cost", "tokens"} {
		value, required := add[name]
		if !required || valueAt(message, "/"+name) != nil {
			continue
		}
		message = append(message[:len(message)-1], ',')
		message = append(appendQuoted(message, name), ':')
		message = append(append(message, value...), '}')
		s.req.Report.Add(schema.Transformed, "required-member-added", 1, m.id+"/"+name)
	}
	return message
}

// withIDs puts the ids that an object does not have yet behind its members.
func withIDs(data jsontext.Value, id, session, message string) jsontext.Value {
	have := make(map[string]bool)
	n := 0
	if err := members(data, func(name string, _ jsontext.Value) error { have[name] = true; n++; return nil }); err != nil {
		return nil
	}
	end := len(data) - 1
	for data[end] != '}' {
		end--
	}
	out := append(jsontext.Value(nil), data[:end]...)
	add := func(name, value string) {
		if have[name] || value == "" {
			return
		}
		if n > 0 {
			out = append(out, ',')
		}
		n++
		out = appendQuoted(out, name)
		out = append(out, ':')
		out = appendText(out, value)
	}
	add("id", id)
	add("sessionID", session)
	add("messageID", message)
	return append(out, '}')
}

// sessionInfo is the session as the import file has it.
func (s *sessionRows) sessionInfo(ctx context.Context) (info jsontext.Value, id string, err error) {
	if s.session == nil {
		return nil, "", fmt.Errorf("log %s: it holds no session row, which `opencode import` needs", s.req.Log)
	}
	b, err := s.read(ctx, *s.session)
	if err != nil {
		return nil, "", err
	}
	if isRow(b) {
		_, cells, err := parseRow(b)
		if err != nil {
			return nil, "", err
		}
		if cwd := s.req.Options[OptionCWD]; cwd != "" {
			for i := range cells {
				if cells[i].name == "directory" {
					cells[i].value = appendText(nil, cwd)
				}
			}
		}
		return infoOfRow(cells), cellText(cells, "id"), nil
	}
	rec := fromFile(tableSession, s.session.row.ID, b)
	if rec.data.Kind() != '{' {
		return nil, "", fmt.Errorf("log %s: its session file is no JSON object", s.req.Log)
	}
	info = completeInfo(rec.data, s.session.row.ID)
	if cwd := s.req.Options[OptionCWD]; cwd != "" {
		info = without(info, "directory")
		info = append(append(info[:len(info)-1], `,"directory":`...), appendText(nil, cwd)...)
		info = append(info, '}')
	}
	return info, ownID(rec), nil
}

// completeInfo adds what the tool asks of a session and files of older releases
// do not say.
func completeInfo(data jsontext.Value, id string) jsontext.Value {
	have := make(map[string]bool)
	_ = members(data, func(name string, _ jsontext.Value) error { have[name] = true; return nil })
	out := withIDs(data, id, "", "")
	for _, m := range [][2]string{{"slug", id}, {"projectID", noProject}, {"directory", "/"}, {"title", id}, {"version", "0.0.0"}} {
		if !have[m[0]] {
			out = append(out[:len(out)-1], ',')
			out = appendQuoted(out, m[0])
			out = append(out, ':')
			out = append(appendText(out, m[1]), '}')
		}
	}
	return out
}

func cellText(cells []cell, name string) string {
	for _, c := range cells {
		if c.name == name {
			return textOf(c.value)
		}
	}
	return ""
}

// infoOfRow makes a session's info of its columns, as `opencode export` does.
func infoOfRow(cells []cell) jsontext.Value {
	byName := make(map[string]jsontext.Value)
	for _, c := range cells {
		if c.value.Kind() != 'n' {
			byName[c.name] = c.value
		}
	}
	var o objectWriter
	column := func(name, col string) { o.add(name, byName[col]) }
	nested := func(name, col string) { // JSON in a text column
		if t := textOf(byName[col]); t != "" && isJSON([]byte(t)) {
			o.add(name, jsontext.Value(t))
		}
	}
	group := func(name string, pairs ...[2]string) {
		var inner objectWriter
		for _, p := range pairs {
			inner.add(p[0], byName[p[1]])
		}
		if inner.n > 0 {
			o.add(name, inner.close())
		}
	}
	column("id", "id")
	column("slug", "slug")
	column("projectID", "project_id")
	column("workspaceID", "workspace_id")
	column("directory", "directory")
	column("path", "path")
	column("parentID", "parent_id")
	column("title", "title")
	column("agent", "agent")
	nested("model", "model")
	column("version", "version")
	var summary objectWriter
	summary.add("additions", byName["summary_additions"])
	summary.add("deletions", byName["summary_deletions"])
	summary.add("files", byName["summary_files"])
	if t := textOf(byName["summary_diffs"]); t != "" && isJSON([]byte(t)) {
		summary.add("diffs", jsontext.Value(t))
	}
	if summary.n > 0 {
		o.add("summary", summary.close())
	}
	column("cost", "cost")
	if byName["tokens_input"] != nil {
		var tokens, cache objectWriter
		tokens.add("input", byName["tokens_input"])
		tokens.add("output", byName["tokens_output"])
		tokens.add("reasoning", byName["tokens_reasoning"])
		cache.add("read", byName["tokens_cache_read"])
		cache.add("write", byName["tokens_cache_write"])
		tokens.add("cache", cache.close())
		o.add("tokens", tokens.close())
	}
	nested("revert", "revert")
	nested("metadata", "metadata")
	nested("permission", "permission")
	if byName["share_url"] != nil {
		group("share", [2]string{"url", "share_url"})
	}
	group("time", [2]string{"created", "time_created"}, [2]string{"updated", "time_updated"},
		[2]string{"compacting", "time_compacting"}, [2]string{"archived", "time_archived"})
	return o.close()
}

// objectWriter builds a JSON object of values that stand already.
type objectWriter struct {
	b []byte
	n int
}

// add adds a member; a nil value adds nothing.
func (o *objectWriter) add(name string, value jsontext.Value) {
	if value == nil {
		return
	}
	if o.n++; o.n == 1 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.b = appendQuoted(o.b, name)
	o.b = append(o.b, ':')
	o.b = append(o.b, value...)
}

func (o *objectWriter) text(name, value string) { o.add(name, appendText(nil, value)) }

func (o *objectWriter) close() jsontext.Value {
	if o.n == 0 {
		return jsontext.Value("{}")
	}
	return append(o.b, '}')
}
