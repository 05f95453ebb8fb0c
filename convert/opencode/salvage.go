package opencode

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// salvage is what a damaged database still gives: the places of all readable
// rows, found by walking each table and, past a damaged page, by asking its
// indexes which rows should come next. Memory: the ids of all rows.
type salvage struct {
	d        *database
	sessions []spot
	messages map[string][]spot // by session
	parts    map[string][]spot // by message
	orphans  map[string][]spot // by session: parts whose message is not readable
	todos    map[string][]spot // by session
	// lost names what should be there and cannot be read, one string for each
	// row or stretch of rows.
	lost []string
}

// spot is where a row is and what sorts it.
type spot struct {
	rowid   int64
	id      string
	owner   string // session, or message of a part
	session string // of a part
	key     int64  // time_created, or position of a todo
}

// maxProbes is how many row numbers after a damaged page are tried one by one
// when no index says which exist.
const maxProbes = 4096

// salvageDatabase lists what can be read. It fails only if ctx ends.
func salvageDatabase(ctx context.Context, d *database) (*salvage, error) {
	s := &salvage{
		d:        d,
		messages: make(map[string][]spot), parts: make(map[string][]spot),
		orphans: make(map[string][]spot), todos: make(map[string][]spot),
	}
	exists := make(map[string]bool)
	s.sessions = s.walk(ctx, tableSession)
	for _, m := range s.walk(ctx, tableMessage) {
		exists[m.id] = true
		s.messages[m.owner] = append(s.messages[m.owner], m)
	}
	for _, p := range s.walk(ctx, tablePart) {
		if exists[p.owner] {
			s.parts[p.owner] = append(s.parts[p.owner], p)
		} else {
			s.orphans[p.session] = append(s.orphans[p.session], p)
		}
	}
	for _, t := range s.walk(ctx, tableTodo) {
		s.todos[t.owner] = append(s.todos[t.owner], t)
	}
	return s, ctx.Err()
}

// sessionIDs returns the ids of all sessions that have a readable row, oldest
// first, then those that only messages or parts name.
func (s *salvage) sessionIDs() (ids []string, rowless int) {
	slices.SortStableFunc(s.sessions, comparePlaces)
	known := make(map[string]bool)
	for _, p := range s.sessions {
		ids, known[p.id] = append(ids, p.id), true
	}
	var more []string
	for _, owners := range []map[string][]spot{s.messages, s.orphans} {
		for id := range owners {
			if !known[id] {
				more, known[id] = append(more, id), true
			}
		}
	}
	slices.Sort(more)
	return append(ids, more...), len(more)
}

// session yields the readable rows of a session in the order of
// [database.session]. A row whose rest turns out unreadable is noted as lost.
func (s *salvage) session(ctx context.Context, id string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		fetch := func(table string, p spot) bool {
			more := true
			_, err := s.d.scan(ctx, s.d.tables[table], "WHERE rowid = ?", func(r row) bool {
				more = yield(r, nil)
				return more
			}, p.rowid)
			if err != nil {
				s.lost = append(s.lost, table+" "+p.id)
			}
			return more && ctx.Err() == nil
		}
		all := func(table string, places []spot) bool {
			for _, p := range places {
				if !fetch(table, p) {
					return false
				}
			}
			return true
		}
		for _, p := range s.sessions {
			if p.id == id && !fetch(tableSession, p) {
				return
			}
		}
		messages := s.messages[id]
		slices.SortStableFunc(messages, comparePlaces)
		for _, m := range messages {
			if !fetch(tableMessage, m) {
				return
			}
			parts, toolMade := s.parts[m.id], true
			for _, p := range parts {
				_, made := idTime(p.id, partPrefix)
				toolMade = toolMade && made
			}
			compare := comparePart(toolMade, m.key)
			slices.SortStableFunc(parts, func(a, b spot) int {
				return compare(partKey{a.id, a.key}, partKey{b.id, b.key})
			})
			if !all(tablePart, parts) {
				return
			}
		}
		orphans, todos := s.orphans[id], s.todos[id]
		slices.SortStableFunc(orphans, func(a, b spot) int { return strings.Compare(a.id, b.id) })
		slices.SortStableFunc(todos, comparePlaces)
		if all(tablePart, orphans) && all(tableTodo, todos) && ctx.Err() != nil {
			yield(row{}, ctx.Err())
		}
	}
}

func comparePlaces(a, b spot) int {
	switch {
	case a.key < b.key:
		return -1
	case a.key > b.key:
		return 1
	}
	return strings.Compare(a.id, b.id)
}

// walk lists the readable rows of a table and notes the others as lost.
func (s *salvage) walk(ctx context.Context, name string) []spot {
	t := s.d.tables[name]
	if t == nil {
		return nil
	}
	ids, complete := s.indexed(ctx, name)
	known := make([]int64, 0, len(ids))
	for rowid := range ids {
		known = append(known, rowid)
	}
	slices.Sort(known)
	var found []spot
	last, end := int64(-1<<63), false
	for !end && ctx.Err() == nil {
		var err error
		found, last, err = s.walkFrom(ctx, t, found, last)
		if err == nil {
			break
		}
		next, ok := s.skip(ctx, t, last, known, complete)
		s.noteLost(name, ids, known, last, next.rowid-1, !ok, complete)
		if end = !ok; ok {
			found, last = append(found, next), next.rowid
		}
	}
	return found
}

// walkFrom reads rows after last, in order, up to the end or to damage.
func (s *salvage) walkFrom(ctx context.Context, t *table, found []spot, last int64) ([]spot, int64, error) {
	rows, err := s.d.db.QueryContext(ctx, placeQuery(t)+" WHERE rowid > ? ORDER BY rowid", last)
	if err != nil {
		return found, last, err
	}
	defer rows.Close()
	for rows.Next() {
		p, err := scanPlace(t, rows)
		if err != nil {
			return found, last, err
		}
		found, last = append(found, p), p.rowid
	}
	return found, last, rows.Err()
}

func placeQuery(t *table) string {
	pick := func(columns ...string) string {
		for _, c := range columns {
			if t.has(c) {
				return "+" + quoteName(c)
			}
		}
		return "NULL"
	}
	id, owner, key := pick("id"), pick("message_id", "session_id"), pick("time_created")
	if t.name == tableTodo {
		id, key = "NULL", pick("position")
	}
	return "SELECT rowid, " + strings.Join([]string{id, owner, pick("session_id"), key}, ", ") + " FROM " + quoteName(t.name) + " NOT INDEXED"
}

func scanPlace(t *table, rows interface{ Scan(...any) error }) (spot, error) {
	var p spot
	var id, owner, session, key any
	if err := rows.Scan(&p.rowid, &id, &owner, &session, &key); err != nil {
		return p, err
	}
	p.id, p.owner, p.session = asText(id), asText(owner), asText(session)
	p.key, _ = key.(int64)
	if t.name == tableTodo {
		p.id = p.owner + "/" + asText(key)
	}
	return p, nil
}

// indexed lists the row numbers that the index of the primary key knows.
func (s *salvage) indexed(ctx context.Context, name string) (ids map[int64]string, complete bool) {
	ids = make(map[int64]string)
	column := "id"
	if name == tableTodo {
		column = "session_id || '/' || position"
	}
	rows, err := s.d.db.QueryContext(ctx, "SELECT rowid, "+column+" FROM "+quoteName(name)+" INDEXED BY "+quoteName("sqlite_autoindex_"+name+"_1"))
	if err != nil {
		return ids, false
	}
	defer rows.Close()
	for rows.Next() {
		var rowid int64
		var id any
		if err := rows.Scan(&rowid, &id); err != nil {
			return ids, false
		}
		ids[rowid] = asText(id)
	}
	return ids, rows.Err() == nil
}

// skip finds the next readable row after last.
func (s *salvage) skip(ctx context.Context, t *table, last int64, known []int64, complete bool) (next spot, ok bool) {
	readable := func(rowid int64) bool {
		p, err := scanPlace(t, s.d.db.QueryRowContext(ctx, placeQuery(t)+" WHERE rowid = ?", rowid))
		next = p
		return err == nil
	}
	i, _ := slices.BinarySearch(known, last+1)
	for _, rowid := range known[i:] {
		if readable(rowid) {
			return next, true
		}
	}
	if complete {
		return spot{}, false
	}
	start := max(last, 0)
	for n := range int64(maxProbes) {
		if readable(start + n + 1) {
			return next, true
		}
	}
	return spot{}, false
}

// noteLost names the rows between two readable stretches.
func (s *salvage) noteLost(name string, ids map[int64]string, known []int64, from, before int64, end, complete bool) {
	i, _ := slices.BinarySearch(known, from+1)
	n := 0
	for _, rowid := range known[i:] {
		if !end && rowid > before {
			break
		}
		s.lost = append(s.lost, name+" "+ids[rowid])
		n++
	}
	if complete {
		return
	}
	switch {
	case end:
		s.lost = append(s.lost, fmt.Sprintf("%s: every row after row number %d", name, max(from, 0)))
	case n == 0:
		s.lost = append(s.lost, fmt.Sprintf("%s: row numbers %d to %d", name, max(from, 0)+1, before))
	}
}
