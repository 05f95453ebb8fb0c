package opencode

import (
	"bufio"
	"bytes"
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

// importExportFile mirrors a file of `opencode export`. The file is one record, or,
// if it is longer than maxRecord bytes, one record for each row that it shows; its
// log is apart from that of the session's rows, whose bytes are others.
func importExportFile(ctx context.Context, m *convert.Mirror, src convert.Source, limit, maxRecord int64) (err error) {
	f := src.Files[0]
	if len(src.Projects) > 0 {
		if err := wantExport(ctx, src, f); err != nil {
			return err
		}
	}
	long, err := isLong(ctx, src, f, maxRecord)
	if err != nil {
		return err
	}
	in, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	t := convert.Transcript{Vendor: VendorName, Path: f.Path, Content: in, Final: src.Final, Identify: identifyExport}
	t.NewMapper = func(findings convert.Findings) convert.Mapper { return &exportMapper{newMapper(findings)} }
	if long {
		put := func(s io.Reader) (schema.Blob, error) { return m.PutBlob(ctx, s, textMedia) }
		r := newExportReader(ctx, in, src.Final, limit, put)
		defer r.Close()
		t.Content, t.Records, t.Identify = nil, r, r.identify
		t.NewMapper = func(findings convert.Findings) convert.Mapper { return &pieceMapper{newMapper(findings), r} }
	}
	_, err = m.MirrorTranscript(ctx, t)
	return err
}

// isLong tells whether the object that a file begins with is longer than a record
// may be. A file that ends before is not.
func isLong(ctx context.Context, src convert.Source, f convert.File, maxRecord int64) (long bool, err error) {
	if f.Size <= maxRecord {
		return false, nil
	}
	in, err := src.Open(ctx, f)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	r := bufio.NewReaderSize(in, 256<<10)
	for {
		c, err := r.ReadByte()
		if err == io.EOF || err == nil && c == '{' {
			break
		}
		if err != nil {
			return false, err
		}
	}
	if r.UnreadByte() != nil {
		return false, nil
	}
	n, err := io.CopyN(io.Discard, &valueReader{in: r}, maxRecord+1)
	if err == io.EOF || errors.Is(err, errUnfinished) {
		err = nil
	}
	return n > maxRecord, err
}

// wantExport returns a [convert.OtherProjectError] if an export file is not of
// the projects that are asked for.
func wantExport(ctx context.Context, src convert.Source, f convert.File) (err error) {
	r, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head := make([]byte, convert.SniffSize)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	info := exportInfo(head[:n])
	if src.Projects.Hold(stringAt(info, "/directory")) {
		return nil
	}
	return &convert.OtherProjectError{Session: stringAt(info, "/id"), Folder: stringAt(info, "/directory")}
}

// exportInfo reads the session's info, with which an export file begins, from its
// first bytes; nil if there is none.
func exportInfo(head []byte) jsontext.Value {
	dec := jsontext.NewDecoder(bytes.NewReader(bytes.TrimPrefix(head, []byte(byteOrderMark))), lenient...)
	expect := func(kind jsontext.Kind, text string) bool {
		tok, err := dec.ReadToken()
		return err == nil && tok.Kind() == kind && (text == "" || tok.String() == text)
	}
	if !expect('{', "") || !expect('"', "info") || dec.PeekKind() != '{' {
		return nil
	}
	info, err := dec.ReadValue()
	if err != nil {
		return nil
	}
	return info
}

// identifyExport names the log of an export file: `<session>/export`, or
// `<session>/sanitized` where texts were replaced.
func identifyExport(rec *convert.Record) (convert.LogName, bool) {
	var doc struct {
		Info jsontext.Value `json:"info"`
	}
	if unmarshal(rec.Bytes, &doc) != nil {
		return convert.LogName{}, false
	}
	name := exportLog(doc.Info)
	return name, name.ID != ""
}

// exportLog names the log of a session's export; without an id there is none.
func exportLog(info jsontext.Value) convert.LogName {
	var s struct {
		ID        string `json:"id"`
		Title     string `json:"title"`
		Directory string `json:"directory"`
	}
	if unmarshal(info, &s) != nil || s.ID == "" {
		return convert.LogName{}
	}
	kind := "/export"
	if strings.HasPrefix(s.Title, sanitizedMark) || strings.HasPrefix(s.Directory, sanitizedMark) {
		kind = "/sanitized"
	}
	return sessionName(s.ID + kind)
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

// identify names the log of a file that is read piece by piece: its first piece
// does, or none.
func (r *exportReader) identify(rec *convert.Record) (convert.LogName, bool) {
	if r.piece.table != tableSession {
		return convert.LogName{}, true
	}
	return exportLog(r.piece.data(rec)), true
}

// data is what the mapper reads of a record.
func (p *exportPiece) data(rec *convert.Record) []byte {
	if p.big {
		return p.skeleton
	}
	return rec.Bytes
}

// pieceMapper maps the records of an [exportReader], of which it takes each before
// the next one is read.
type pieceMapper struct {
	m *mapper
	r *exportReader
}

// Map implements [convert.Mapper].
func (p *pieceMapper) Map(rec *convert.Record, run *convert.Run) {
	piece := &p.r.piece
	if piece.table == "" {
		emit(run, nil, schema.ActorImport, response{}, &schema.VendorRecord{Kind: kindExport})
		return
	}
	data := piece.data(rec)
	read := fromFile(piece.table, stringAt(data, "/id"), data)
	if read.messageID == "" {
		read.messageID = piece.message
	}
	if piece.big {
		if piece.elider.tooBig {
			read.finding = "row-too-big"
		}
		p.m.elided, p.m.mark = piece.elider.blobs, piece.elider.mark
		defer func() { p.m.elided, p.m.mark = nil, "" }()
	}
	p.m.mapRecord(read, run)
}

// kindExport marks what of an export file stands between the rows that it shows.
const kindExport = "export"

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
