package opencode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// maxTreeFile is the largest file of a legacy tree that is read whole, in bytes.
const maxTreeFile = 64 << 20

// tree is the legacy storage folder: an index of its files, no contents.
type tree struct {
	src      convert.Source
	m        *convert.Mirror
	limit    int64            // of files that are read whole, in bytes
	failed   map[string]error // files that could not be read, by path
	projects []convert.File
	sessions map[string]convert.File              // by id
	messages map[string][]convert.File            // by session
	parts    map[string][]convert.File            // by message folder
	other    map[string]map[string][]convert.File // by session: tables todo and session_diff
}

// treeMessage is a message file and what sorts it.
type treeMessage struct {
	file    convert.File
	rowID   string
	id      string
	created int64
	folders []string // part folders
}

// importTree mirrors every session of a legacy tree. Files may be missing on
// every level: a session's file, a message's, its part folder. Files that cannot be
// read are in a [convert.PartialError]; the others are imported.
func importTree(ctx context.Context, m *convert.Mirror, src convert.Source, limit int64) error {
	t := newTree(src)
	t.m, t.limit = m, limit
	owners, err := t.orphanFolders(ctx)
	if err != nil {
		return err
	}
	sessions := t.sessionIDs(owners)
	var shared map[string]bool
	if len(src.Projects) > 0 {
		if sessions, shared, err = t.wanted(ctx, sessions); err != nil {
			return err
		}
		if len(sessions) == 0 {
			return &convert.RefusedError{Reason: "holds no session of the project"}
		}
	}
	for _, f := range t.projects {
		id := baseName(f)
		if len(src.Projects) > 0 && !shared[id] {
			continue
		}
		if err := t.importProject(ctx, m, f, id); err != nil {
			return err
		}
	}
	for _, id := range sessions {
		if err := t.importSession(ctx, m, id, owners[id]); err != nil {
			return fmt.Errorf("%s: session %s: %w", src.Group, id, err)
		}
	}
	if len(t.failed) > 0 {
		return &convert.PartialError{Files: t.failed}
	}
	return nil
}

// wanted returns the sessions that worked in the projects that are asked for, and
// the ids of what OpenCode calls their projects.
func (t *tree) wanted(ctx context.Context, all []string) (ids []string, shared map[string]bool, err error) {
	shared = make(map[string]bool)
	for _, id := range all {
		file, ok := t.sessionFile(id)
		if !ok {
			continue
		}
		b, err := t.read(ctx, file)
		if err != nil {
			return nil, nil, err
		}
		if data := fromFile(tableSession, id, b).data; t.src.Projects.Hold(stringAt(data, "/directory")) {
			ids = append(ids, id)
			shared[stringAt(data, "/projectID")] = true
		}
	}
	return ids, shared, nil
}

// sessionFile finds a session's own file.
func (t *tree) sessionFile(id string) (convert.File, bool) {
	if file, ok := t.sessions[id]; ok {
		return file, true
	}
	file, ok := t.sessions[sessionPrefix+"_"+id]
	return file, ok
}

func newTree(src convert.Source) *tree {
	t := &tree{
		src: src, failed: make(map[string]error),
		sessions: make(map[string]convert.File), messages: make(map[string][]convert.File),
		parts: make(map[string][]convert.File), other: make(map[string]map[string][]convert.File),
	}
	for _, f := range src.Files {
		parts := strings.Split(filepath.ToSlash(f.Path), "/")
		_, table, ok := treePlace(parts)
		if !ok {
			continue
		}
		folder := parts[len(parts)-2]
		switch table {
		case tableProject:
			t.projects = append(t.projects, f)
		case tableSession:
			t.sessions[baseName(f)] = f
		case tableMessage:
			t.messages[folder] = append(t.messages[folder], f)
		case tablePart:
			t.parts[folder] = append(t.parts[folder], f)
		default:
			id := baseName(f)
			if t.other[id] == nil {
				t.other[id] = make(map[string][]convert.File)
			}
			t.other[id][table] = append(t.other[id][table], f)
		}
	}
	return t
}

func baseName(f convert.File) string {
	return strings.TrimSuffix(filepath.Base(f.Path), ".json")
}

func folderName(f convert.File) string { return filepath.Base(filepath.Dir(f.Path)) }

// sessionIDs lists the sessions that anything in the tree names, in the order of
// their ids: files have no order of their own.
func (t *tree) sessionIDs(owners map[string][]string) []string {
	var ids []string
	for id := range t.sessions {
		ids = append(ids, t.folderID(id))
	}
	for id := range t.messages {
		ids = append(ids, id)
	}
	for id := range owners {
		ids = append(ids, id)
	}
	for id := range t.other {
		ids = append(ids, t.folderID(id))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// folderID is a session's id as its message folder spells it. Some writers put
// the prefix on the file alone.
func (t *tree) folderID(id string) string {
	if bare, ok := strings.CutPrefix(id, sessionPrefix+"_"); ok && t.messages[id] == nil && t.messages[bare] != nil {
		return bare
	}
	return id
}

// orphanFolders finds, for part folders without a message file, the session that
// their parts name.
func (t *tree) orphanFolders(ctx context.Context) (map[string][]string, error) {
	known := make(map[string]bool)
	for _, files := range t.messages {
		for _, f := range files {
			id, err := t.messageID(ctx, f)
			if err != nil {
				return nil, err
			}
			known[id], known[baseName(f)] = true, true
		}
	}
	owners := make(map[string][]string)
	for folder, files := range t.parts {
		if known[folder] {
			continue
		}
		session := ""
		for _, f := range files {
			b, err := t.read(ctx, f)
			if err != nil {
				return nil, err
			}
			rec := fromFile(tablePart, "", b)
			if known[rec.messageID] {
				session = "" // importSession finds it by its parts
				break
			}
			if rec.sessionID != "" {
				session = rec.sessionID
				break
			}
			session = "unknown"
		}
		if session != "" {
			owners[session] = append(owners[session], folder)
		}
	}
	for _, folders := range owners {
		slices.Sort(folders)
	}
	return owners, nil
}

func (t *tree) messageID(ctx context.Context, f convert.File) (string, error) {
	b, err := t.read(ctx, f)
	if err != nil {
		return "", err
	}
	var info messageInfo
	if unmarshal(b, &info) == nil && info.ID != "" {
		return info.ID, nil
	}
	return baseName(f), nil
}

func (t *tree) importProject(ctx context.Context, m *convert.Mirror, f convert.File, id string) error {
	log, err := openSessionLog(ctx, m, projectName(id), t.src.Group)
	if err != nil {
		return err
	}
	defer log.rows.Release()
	if err := t.put(ctx, log, f, tableProject, id, ""); err != nil {
		return err
	}
	return log.close(ctx, len(t.failed) == 0)
}

func (t *tree) importSession(ctx context.Context, m *convert.Mirror, id string, orphans []string) error {
	log, err := openSessionLog(ctx, m, sessionName(id), t.src.Group)
	if err != nil {
		return err
	}
	defer log.rows.Release()
	if file, ok := t.sessionFile(id); ok {
		err = t.put(ctx, log, file, tableSession, id, "")
	} else {
		log.rows.Findings().Add("session-file-missing", "session "+id)
	}
	if err != nil {
		return err
	}
	messages, err := t.sortedMessages(ctx, id)
	if err != nil {
		return err
	}
	for _, msg := range messages {
		if err := t.put(ctx, log, msg.file, tableMessage, msg.rowID, msg.id); err != nil {
			return err
		}
		if len(msg.folders) == 0 {
			log.rows.Findings().Add("message-without-parts", "message "+msg.id)
		}
		for _, folder := range msg.folders {
			if err := t.putParts(ctx, log, folder, msg.id, msg.created); err != nil {
				return err
			}
		}
	}
	if len(orphans) > 0 {
		log.loseMissing()
	}
	for _, folder := range orphans {
		log.rows.Findings().Add("message-file-missing", "message "+folder)
		if err := t.putParts(ctx, log, folder, folder, 0); err != nil {
			return err
		}
	}
	for _, table := range []string{tableTodo, tableSessionDiff} {
		for _, spelling := range []string{id, sessionPrefix + "_" + id} {
			for _, f := range t.other[spelling][table] {
				if err := t.put(ctx, log, f, table, id, ""); err != nil {
					return err
				}
			}
		}
	}
	return log.close(ctx, len(t.failed) == 0)
}

// sortedMessages reads when each message was made and finds its part folders.
func (t *tree) sortedMessages(ctx context.Context, session string) ([]treeMessage, error) {
	var list []treeMessage
	for _, f := range t.messages[session] {
		b, err := t.read(ctx, f)
		if err != nil {
			return nil, err
		}
		msg := treeMessage{file: f, rowID: baseName(f), id: baseName(f)}
		var info messageInfo
		if unmarshal(b, &info) == nil {
			if info.ID != "" {
				msg.id = info.ID
			}
			if ms := milliseconds(info.Time.Created); ms != nil {
				msg.created = *ms
			}
		}
		for _, folder := range []string{msg.id, messagePrefix + "_" + msg.id, msg.rowID} {
			if len(t.parts[folder]) > 0 && !slices.Contains(msg.folders, folder) {
				msg.folders = append(msg.folders, folder)
			}
		}
		list = append(list, msg)
	}
	slices.SortStableFunc(list, func(a, b treeMessage) int {
		return comparePlaces(spot{key: a.created, id: a.id}, spot{key: b.created, id: b.id})
	})
	return list, nil
}

// putParts puts the parts of one folder in order.
func (t *tree) putParts(ctx context.Context, log *sessionLog, folder, message string, messageMS int64) error {
	files := slices.Clone(t.parts[folder])
	keys := make(map[string]partKey, len(files))
	toolMade, timed := true, true
	for _, f := range files {
		b, err := t.read(ctx, f)
		if err != nil {
			return err
		}
		_, made := idTime(baseName(f), partPrefix)
		toolMade = toolMade && made
		ms := partTimeOf(b)
		timed = timed && ms != nil
		key := partKey{id: baseName(f)}
		if ms != nil {
			key.created = *ms
		}
		keys[f.Path] = key
	}
	compare := comparePart(toolMade, messageMS)
	slices.SortStableFunc(files, func(a, b convert.File) int {
		ka, kb := keys[a.Path], keys[b.Path]
		if !toolMade && !timed {
			return strings.Compare(ka.id, kb.id)
		}
		return compare(ka, kb)
	})
	for _, f := range files {
		if err := t.put(ctx, log, f, tablePart, partRowID(f), message); err != nil {
			return err
		}
	}
	return nil
}

// partRowID is a part's id in the log: its file's name, which the tool makes
// unique; names of others get their folder's in front.
func partRowID(f convert.File) string {
	name := baseName(f)
	if strings.HasPrefix(name, partPrefix+"_") {
		return name
	}
	return folderName(f) + "/" + name
}

// partTimeOf reads when a part began, nil if it does not say.
func partTimeOf(b []byte) *int64 {
	var info partInfo
	if unmarshal(b, &info) != nil {
		return nil
	}
	if ms := milliseconds(info.Time.Start); ms != nil {
		return ms
	}
	if info.State != nil {
		return milliseconds(info.State.Time.Start)
	}
	return nil
}

// put puts a file into the log as a row of a table.
func (t *tree) put(ctx context.Context, log *sessionLog, f convert.File, table, rowID, message string) error {
	b, whole, err := t.readWhole(ctx, f)
	if err != nil {
		return t.fail(ctx, f, err)
	}
	key := schema.Row{Table: table, ID: rowID}
	superseded, err := log.superseded(ctx, t.m.Store(), key)
	if err != nil {
		return err
	}
	if superseded {
		key.Table = supersededPrefix + table
	}
	read := func(id string, b []byte) record {
		rec := fromFile(key.Table, id, b)
		if rec.messageID == "" && table == tablePart {
			rec.messageID = message
		}
		return rec
	}
	if whole {
		return log.put(ctx, key, message, convert.Record{Bytes: b}, read)
	}
	return t.putBig(ctx, log, f, key, message, read)
}

// putBig streams a file into a blob and maps what of it fits into memory.
func (t *tree) putBig(ctx context.Context, log *sessionLog, f convert.File, key schema.Row, message string, read func(string, []byte) record) error {
	e, err := t.elide(ctx, f, func(s io.Reader) (schema.Blob, error) { return t.m.PutBlob(ctx, s, textMedia) })
	if err != nil {
		return t.fail(ctx, f, err)
	}
	in, err := t.src.Open(ctx, f)
	if err != nil {
		return t.fail(ctx, f, err)
	}
	stored, err := t.m.PutBlob(ctx, in, "")
	if err = errors.Join(err, in.Close()); err != nil {
		return t.fail(ctx, f, err)
	}
	_, _, same := log.rows.SeenDigest(key, strings.TrimPrefix(stored.Digest, "sha256:"))
	rec := read(key.ID, e.skeleton)
	if e.tooBig {
		rec.data, rec.finding = nil, "row-too-big"
	}
	return log.putUnlessHeld(ctx, key, message, same, func() convert.Run { return log.mapBig(rec, &key, &stored, e) })
}

// supersededPrefix marks files whose rows a database gave too: the database is
// newer, so the file keeps its bytes and has no meaning.
const supersededPrefix = "superseded_"

// read returns a file's bytes, or of one that is too big to be read whole its
// skeleton: the same JSON without its long strings. A file that cannot be read has
// none, and fails alone.
func (t *tree) read(ctx context.Context, f convert.File) ([]byte, error) {
	b, whole, err := t.readWhole(ctx, f)
	if err == nil && !whole {
		var e *elider
		if e, err = t.elide(ctx, f, discard); err == nil {
			b = e.skeleton
		}
	}
	if err != nil {
		return nil, t.fail(ctx, f, err)
	}
	return b, nil
}

// discard drops a string that is not wanted.
func discard(s io.Reader) (schema.Blob, error) {
	n, err := io.Copy(io.Discard, s)
	return schema.Blob{Size: n}, err
}

// readWhole returns a file's bytes unless it is too big.
func (t *tree) readWhole(ctx context.Context, f convert.File) (b []byte, whole bool, err error) {
	if f.Size > t.limit {
		return nil, false, nil
	}
	r, err := t.src.Open(ctx, f)
	if err != nil {
		return nil, false, err
	}
	b, err = io.ReadAll(io.LimitReader(r, t.limit+1)) // it may have grown
	return b, int64(len(b)) <= t.limit, errors.Join(err, r.Close())
}

// elide reads a file as a stream. The skeleton is nil if it is not JSON, or too big
// itself.
func (t *tree) elide(ctx context.Context, f convert.File, put func(io.Reader) (schema.Blob, error)) (*elider, error) {
	r, err := t.src.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	e := newElider(r, put)
	e.limit, e.spaced = t.limit/2, true
	err = e.run()
	if errors.Is(err, errNotJSON) && ctx.Err() == nil {
		e.skeleton, err = nil, nil
	}
	return e, errors.Join(err, r.Close())
}

// fail notes a file that cannot be read. What ends the whole import is returned.
func (t *tree) fail(ctx context.Context, f convert.File, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.failed[f.Path] = err
	return nil
}
