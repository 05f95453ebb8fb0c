package claudecode

import (
	"github.com/ownlog/ownlog/convert"
)

// identity says whose transcript it is.
type identity struct {
	session string // empty: no record says
	agent   string // empty: the session's own
}

// logName returns the name of the transcript's log, without an id if there is no
// session id.
func (id identity) logName() convert.LogName {
	if id.session != "" && id.agent != "" {
		return convert.LogName{Vendor: Name, Kind: convert.LogAgent, ID: id.session + "/" + id.agent}
	}
	return convert.LogName{Vendor: Name, Kind: convert.LogSession, ID: id.session}
}

// identify reads the identity from the first record that has a session id. A
// user or assistant record without one settles that there is none.
func identify(r *record) (id identity, ok bool) {
	id.session, _ = unquote(r.members[fSessionID])
	if id.session == "" {
		typ, _ := unquote(r.members[fType])
		return id, typ == "user" || typ == "assistant"
	}
	if string(r.members[fIsSidechain]) != "false" {
		id.agent, _ = unquote(r.members[fAgentID])
	}
	return id, true
}

// identifyRecord names the log of a transcript from a record, by content alone:
// copies of a session under other names are the same log.
func identifyRecord(rec *convert.Record) (convert.LogName, bool) {
	var r record
	r.read(rec.Bytes)
	id, ok := identify(&r)
	return id.logName(), ok
}
