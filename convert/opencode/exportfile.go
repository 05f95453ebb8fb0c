package opencode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// exportDocument is a file of `opencode export`, or for `opencode import`.
type exportDocument struct {
	Info     jsontext.Value  `json:"info"`
	Messages []exportMessage `json:"messages"`
}

type exportMessage struct {
	Info  jsontext.Value   `json:"info"`
	Parts []jsontext.Value `json:"parts"`
}

// sanitizedMark begins what `opencode export --sanitize` puts in place of texts.
const sanitizedMark = "[redacted:"

// importExportFile mirrors a file of `opencode export`. The file is one record;
// its log is apart from that of the session's rows, whose bytes are others.
func importExportFile(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	f := src.Files[0]
	if len(src.Projects) > 0 {
		if err := wantExport(ctx, src, f); err != nil {
			return err
		}
	}
	r, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = m.MirrorTranscript(ctx, convert.Transcript{
		Vendor: VendorName, Path: f.Path, Content: r, Final: src.Final,
		Identify: identifyExport,
		NewMapper: func(findings convert.Findings) convert.Mapper {
			return &exportMapper{newMapper(findings)}
		},
	})
	return err
}

// wantExport returns a [convert.OtherProjectError] if an export file is not of
// the projects that are asked for.
func wantExport(ctx context.Context, src convert.Source, f convert.File) (err error) {
	r, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rec, err := convert.NewRecordReader(r, src.Final).Next()
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	id, folder := stringAt(rec.Bytes, "/info/id"), stringAt(rec.Bytes, "/info/directory")
	if src.Projects.Hold(folder) {
		return nil
	}
	return &convert.OtherProjectError{Session: id, Folder: folder}
}

// identifyExport names the log of an export file: `<session>/export`, or
// `<session>/sanitized` where texts were replaced.
func identifyExport(rec *convert.Record) (convert.LogName, bool) {
	var doc struct {
		Info struct {
			ID        string `json:"id"`
			Title     string `json:"title"`
			Directory string `json:"directory"`
		} `json:"info"`
	}
	if unmarshal(rec.Bytes, &doc) != nil || doc.Info.ID == "" {
		return convert.LogName{}, false
	}
	kind := "/export"
	if strings.HasPrefix(doc.Info.Title, sanitizedMark) || strings.HasPrefix(doc.Info.Directory, sanitizedMark) {
		kind = "/sanitized"
	}
	return sessionName(doc.Info.ID + kind), true
}

// exportMapper maps a whole export file as the rows that it shows.
type exportMapper struct{ m *mapper }

// Map implements [convert.Mapper].
func (e *exportMapper) Map(rec *convert.Record, run *convert.Run) {
	var doc exportDocument
	if err := unmarshal(rec.Bytes, &doc); err != nil || len(doc.Info) == 0 {
		e.m.unreadable(record{table: "export", id: "line " + strconv.FormatInt(rec.Line, 10)}, run, "unexpected-type")
		return
	}
	e.add(tableSession, "", doc.Info, run)
	for _, msg := range doc.Messages {
		var info messageInfo
		id := ""
		if unmarshal(msg.Info, &info) == nil {
			id = info.ID
		}
		e.add(tableMessage, id, msg.Info, run)
		for _, part := range msg.Parts {
			e.add(tablePart, id, part, run)
		}
	}
}

// add maps one piece of the file and appends its events to the run.
func (e *exportMapper) add(table, message string, data jsontext.Value, run *convert.Run) {
	var ids struct {
		ID string `json:"id"`
	}
	if unmarshal(data, &ids) != nil {
		ids.ID = ""
	}
	rec := fromFile(table, ids.ID, data)
	if rec.messageID == "" {
		rec.messageID = message
	}
	var piece convert.Run
	e.m.mapRecord(rec, &piece)
	run.Events = append(run.Events, piece.Events...)
	run.Blobs = append(run.Blobs, piece.Blobs...)
}

// exportLines gives an export file back as it was.
func exportLines(ctx context.Context, req convert.ExportRequest) error {
	w, err := req.Out.Create("session.json")
	if err != nil {
		return err
	}
	if _, err := convert.ExportTranscript(ctx, req, convert.TranscriptRange{To: req.Size}, w); err != nil {
		return err
	}
	req.Report.Add(schema.Preserved, "record", 1, "")
	return w.Close()
}
