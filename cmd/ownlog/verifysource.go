package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// The rules of vendors' own files that no importer's finding says. The ids of
// all rules of such files begin with sourceRules.
const (
	sourceRules      = "source/"
	sourceUnreadable = sourceRules + "unreadable" // it cannot be read, or not imported
	sourceUnfinished = sourceRules + "unfinished" // it ends inside a record
)

// source checks vendors' own files and databases, by importing them into a store
// that is thrown away: so sessions find the ones that they continue, and memory
// does not grow with them. It returns whether any file was a session's.
func (v *verification) source(ctx context.Context, name string, env convert.Environment) (claimed bool, err error) {
	dir, err := os.MkdirTemp("", "ownlog-verify-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := format.OpenDirStore(dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var shown error
	opts := convert.ImportOptions{Roots: []string{name}, Env: env, Progress: func(r convert.FileResult) {
		if shown != nil || r.Status == convert.FileRefused {
			return
		}
		claimed = true
		doc, err := v.sourceFile(ctx, store, r)
		if err == nil {
			err = v.show(doc)
		}
		shown = err
	}}
	_, err = convert.Import(ctx, store, convert.OpenImports(""), registry(), opts)
	return claimed, errors.Join(err, shown)
}

// sourceFile says what was found in one file.
func (v *verification) sourceFile(ctx context.Context, store format.Store, r convert.FileResult) (verifyLog, error) {
	doc := verifyLog{File: r.Path, Status: "ok"}
	if r.Status == convert.FileFailed {
		f := verifyFinding{Level: string(schema.LevelError), Rule: sourceUnreadable, File: r.Path, Message: r.Reason}
		if r.Err != nil && !strings.Contains(r.Reason, r.Err.Error()) {
			f.Message += ": " + r.Err.Error()
		}
		v.found(&doc, f)
	}
	for _, o := range r.Outcomes {
		for _, f := range o.Findings {
			v.found(&doc, sourceFinding(r.Path, f))
		}
		var more convert.FindingCounts
		if err := convert.CheckRecords(ctx, store, o.Log, &more); err != nil && !errors.Is(err, format.ErrNotFound) {
			return doc, err
		}
		for _, f := range more.List() {
			v.found(&doc, sourceFinding(r.Path, f))
		}
		if o.Pending > 0 {
			v.found(&doc, verifyFinding{
				Level: string(schema.LevelNote), Rule: sourceUnfinished, File: r.Path, Line: o.PendingLine,
				Message: fmt.Sprintf("the last %d bytes are an unfinished record", o.Pending),
			})
		}
	}
	if doc.broken {
		doc.Status = "invalid"
	}
	return doc, nil
}

// sourceFinding makes a finding of an importer's.
func sourceFinding(path string, f convert.Finding) verifyFinding {
	out := verifyFinding{
		Level: string(sourceLevel(f.Code)), Rule: sourceRules + f.Code, File: path, Count: f.Count,
		Message: fmt.Sprintf("%s, %d times, first at %s", strings.ReplaceAll(f.Code, "-", " "), f.Count, f.Where),
	}
	if text, ok := strings.CutPrefix(f.Where, "line "); ok {
		text, _, _ = strings.Cut(text, ",")
		if line, err := strconv.ParseInt(text, 10, 64); err == nil {
			out.Line = line
		}
	}
	return out
}

// sourceLevel says how bad an importer's finding is: an error if something of
// the session is damaged or not there.
func sourceLevel(code string) schema.Level {
	switch code {
	case "damaged-record", "event-rows-damaged", "file-not-json", "message-file-missing", "project-damaged",
		"row-unreadable", "session-file-missing", "session-row-missing":
		return schema.LevelError
	case "odd-separator":
		return schema.LevelNote
	}
	return schema.LevelWarning
}
