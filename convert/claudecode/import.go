package claudecode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// tableFile is the table of rows that are side files.
const tableFile = "file"

// maxSideFile is the largest side file that is read, in bytes.
const maxSideFile = 256 << 20

// Import implements [convert.Vendor].
func (v Vendor) Import(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	switch src.Kind {
	case convert.ClaimTranscript:
		for _, f := range src.Files {
			if err := v.importTranscript(ctx, m, src, f); err != nil {
				return err
			}
		}
		return nil
	case convert.ClaimSide:
		return v.importSide(ctx, m, src)
	}
	return fmt.Errorf("%s: not a source of %s", src.Group, Name)
}

func (Vendor) importTranscript(ctx context.Context, m *convert.Mirror, src convert.Source, f convert.File) (err error) {
	if len(src.Projects) > 0 {
		if err := wantTranscript(ctx, src, f); err != nil {
			return err
		}
	}
	content, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	var mapping *mapper
	out, err := m.MirrorTranscript(ctx, convert.Transcript{
		Vendor:   Name,
		Path:     f.Path,
		Content:  content,
		Identify: identifyRecord,
		NewMapper: func(findings convert.Findings) convert.Mapper {
			mapping = newMapper(findings)
			return mapping
		},
		Final: src.Final,
	})
	if err != nil || mapping == nil || mapping.requests == 0 || out.Appended == 0 {
		return err
	}
	if _, err := m.Store().Info(ctx, out.Log); errors.Is(err, format.ErrNotFound) {
		return nil // a dry run
	}
	check, err := CheckRequests(ctx, m.Store(), out.Log, out.Head.Size, nil)
	if err != nil {
		return fmt.Errorf("%s: request log: %w", f.Path, err)
	}
	check.addTo(out.Report)
	return nil
}

// wantTranscript returns a [convert.OtherProjectError] if the transcript is not of
// the projects that are asked for, by the first folder that a record names.
func wantTranscript(ctx context.Context, src convert.Source, f convert.File) (err error) {
	content, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	other := new(convert.OtherProjectError)
	reader := convert.NewRecordReader(content, src.Final)
	for other.Folder == "" {
		rec, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if rec.Damaged {
			continue
		}
		var r record
		r.read(rec.Bytes)
		if other.Session == "" {
			other.Session, _ = unquote(r.members[fSessionID])
		}
		other.Folder, _ = unquote(r.members[fCWD])
	}
	if src.Projects.Hold(other.Folder) {
		return nil
	}
	return other
}

// importSide brings a session's assets log up to date with its side files, in
// the order of their ids.
func (Vendor) importSide(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	if isIndex(filepath.ToSlash(src.Files[0].Path)) {
		return importIndex(ctx, m, src, src.Files[0])
	}
	type placed struct {
		sideFile
		file convert.File
	}
	files := make([]placed, 0, len(src.Files))
	for _, f := range src.Files {
		side, ok := sidePlace(filepath.ToSlash(f.Path))
		if !ok {
			return fmt.Errorf("%s: does not lie where a session's files lie", f.Path)
		}
		files = append(files, placed{side, f})
	}
	slices.SortFunc(files, func(a, b placed) int { return strings.Compare(a.id, b.id) })
	if err := m.WantSide(ctx, src.Projects, Name, files[0].session); err != nil {
		return err
	}
	name := convert.LogName{Vendor: Name, Kind: convert.LogAssets, ID: files[0].session}
	rows, err := m.OpenRows(ctx, name, src.Group, nil)
	if err != nil {
		return err
	}
	defer rows.Release()
	folders := make(map[string]string) // by the first part of the ids, where their files lie
	for _, f := range files {
		if err := putSide(ctx, rows, src, f.file, f.id); err != nil {
			return err
		}
		top := topOf(f.id)
		if folder, ok := strings.CutSuffix(filepath.ToSlash(f.file.Path), f.id[len(top):]); ok {
			folders[top] = folder
		}
	}
	for _, row := range rows.Missing() {
		top := topOf(row.ID)
		if folder, ok := folders[top]; ok && isGone(folder+row.ID[len(top):]) {
			if err := rows.Put(ctx, sideRun(row.ID, nil, "gone")); err != nil {
				return err
			}
		}
	}
	_, err = rows.Close(ctx)
	return err
}

// topOf returns the first part of a row's id.
func topOf(id string) string {
	top, _, _ := strings.Cut(id, "/")
	return top
}

// isGone tells whether a file that was imported before is no longer there; a
// file that was merely not asked for is.
func isGone(slashed string) bool {
	_, err := os.Lstat(filepath.FromSlash(slashed))
	return errors.Is(err, fs.ErrNotExist)
}

func putSide(ctx context.Context, rows *convert.Rows, src convert.Source, f convert.File, id string) (err error) {
	r, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	content, err := readSide(r, f)
	if err != nil {
		return err
	}
	if _, _, same := rows.Seen(schema.Row{Table: tableFile, ID: id}, content); same {
		return nil
	}
	return rows.Put(ctx, sideRun(id, content, sideKind(id)))
}

// readSide reads a whole side file; content is not nil, even if the file is empty.
func readSide(r io.Reader, f convert.File) (content []byte, err error) {
	content, err = io.ReadAll(io.LimitReader(r, maxSideFile+1))
	if err == nil && len(content) > maxSideFile {
		err = fmt.Errorf("%s: larger than %d bytes, which no side file of %s is expected to be", f.Path, maxSideFile, Name)
	}
	return content, err
}

// sideRun is the run of a side file.
func sideRun(id string, content []byte, kind string) convert.Run {
	return convert.Run{
		Record: convert.Record{Bytes: content},
		Row:    &schema.Row{Table: tableFile, ID: id},
		Events: []*schema.Event{{
			Actor: schema.Actor{Kind: schema.ActorExecutor},
			Data:  &schema.VendorRecord{Kind: kind},
		}},
	}
}

// sideKind names what a side file is.
func sideKind(id string) string {
	if strings.HasSuffix(id, ".meta.json") {
		return "agent-meta"
	}
	if top := topOf(id); top != id {
		return top
	}
	return strings.TrimSuffix(id, path.Ext(id))
}
