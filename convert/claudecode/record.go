package claudecode

import (
	"strings"
	"time"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// field names a member of a record that the mapping reads.
type field int

const (
	fAgentID field = iota
	fAITitle
	fAPIBlockIndex
	fAPIErrorStatus
	fAttachment
	fBackup
	fCompactMetadata
	fContent
	fCustomTitle
	fCWD
	fDurationMS
	fError
	fGitBranch
	fID
	fInterruptedMessageID
	fIsAbortedMidStream
	fIsAPIErrorMessage
	fIsCompactSummary
	fIsMeta
	fIsSidechain
	fLeafUUID
	fLogicalParentUUID
	fMessage
	fMode
	fOrigin
	fParams
	fParentUUID
	fPermissionDecision
	fPermissionMode
	fPromptSource
	fRendered
	fRenderedBesideToolResult
	fRenderedInHumanTurn
	fRenderedRole
	fRequestDigest
	fRequestRef
	fRequestSessionID
	fRetryAttempt
	fSessionID
	fShape
	fShapeHash
	fSourceToolAssistantUUID
	fSubtype
	fTimestamp
	fToolDenialKind
	fToolUseResult
	fTrackingPath
	fTurnPosition
	fType
	fUUID
	fVersion
	fieldCount
)

// record is a Claude Code record with the members that the mapping reads, as
// they stand. Members are decoded on demand; the first one of an unexpected
// type is remembered in bad.
type record struct {
	members [fieldCount][]byte
	bad     string
}

// read takes the members of interest out of a record; of members with one name
// the last counts, as it does for the tool. The record keeps parts of b.
func (r *record) read(b []byte) {
	*r = record{}
	m := convert.MembersOf(b)
	for {
		name, value, ok := m.Next()
		if !ok {
			return
		}
		if f := fieldOf(name); f < fieldCount {
			r.members[f] = value
		}
	}
}

func fieldOf(name []byte) field {
	switch string(name) {
	case "agentId":
		return fAgentID
	case "aiTitle":
		return fAITitle
	case "apiBlockIndex":
		return fAPIBlockIndex
	case "apiErrorStatus":
		return fAPIErrorStatus
	case "attachment":
		return fAttachment
	case "backup":
		return fBackup
	case "compactMetadata":
		return fCompactMetadata
	case "content":
		return fContent
	case "customTitle":
		return fCustomTitle
	case "cwd":
		return fCWD
	case "durationMs":
		return fDurationMS
	case "error":
		return fError
	case "gitBranch":
		return fGitBranch
	case "id":
		return fID
	case "interruptedMessageId":
		return fInterruptedMessageID
	case "isAbortedMidStream":
		return fIsAbortedMidStream
	case "isApiErrorMessage":
		return fIsAPIErrorMessage
	case "isCompactSummary":
		return fIsCompactSummary
	case "isMeta":
		return fIsMeta
	case "isSidechain":
		return fIsSidechain
	case "leafUuid":
		return fLeafUUID
	case "logicalParentUuid":
		return fLogicalParentUUID
	case "message":
		return fMessage
	case "mode":
		return fMode
	case "origin":
		return fOrigin
	case "params":
		return fParams
	case "parentUuid":
		return fParentUUID
	case "permissionDecision":
		return fPermissionDecision
	case "permissionMode":
		return fPermissionMode
	case "promptSource":
		return fPromptSource
	case "rendered":
		return fRendered
	case "renderedBesideToolResult":
		return fRenderedBesideToolResult
	case "renderedInHumanTurn":
		return fRenderedInHumanTurn
	case "renderedRole":
		return fRenderedRole
	case "requestDigest":
		return fRequestDigest
	case "requestRef":
		return fRequestRef
	case "requestSessionId":
		return fRequestSessionID
	case "retryAttempt":
		return fRetryAttempt
	case "sessionId":
		return fSessionID
	case "shape":
		return fShape
	case "shapeHash":
		return fShapeHash
	case "sourceToolAssistantUUID":
		return fSourceToolAssistantUUID
	case "subtype":
		return fSubtype
	case "timestamp":
		return fTimestamp
	case "toolDenialKind":
		return fToolDenialKind
	case "toolUseResult":
		return fToolUseResult
	case "trackingPath":
		return fTrackingPath
	case "turnPosition":
		return fTurnPosition
	case "type":
		return fType
	case "uuid":
		return fUUID
	case "version":
		return fVersion
	}
	return fieldCount
}

// has reports whether the member is there and not null.
func (r *record) has(f field) bool {
	k := kind(r.members[f])
	return k != 0 && k != 'n'
}

// unexpected remembers what has another JSON type than the mapping knows.
func (r *record) unexpected(what string) {
	if r.bad == "" {
		r.bad = what
	}
}

// text decodes a string member, "" if it is absent or null.
func (r *record) text(f field, name string) string {
	if !r.has(f) {
		return ""
	}
	s, ok := unquote(r.members[f])
	if !ok {
		r.unexpected(name)
	}
	return s
}

// flag decodes a boolean member, false if it is absent or null.
func (r *record) flag(f field, name string) bool {
	if !r.has(f) {
		return false
	}
	switch string(r.members[f]) {
	case "true":
		return true
	case "false":
		return false
	}
	r.unexpected(name)
	return false
}

// number decodes an integer member, nil if it is absent or null.
func (r *record) number(f field, name string) *int64 {
	if !r.has(f) {
		return nil
	}
	n, ok := integer(r.members[f])
	if !ok {
		r.unexpected(name)
		return nil
	}
	return &n
}

// object returns an object member, nil if it is absent or null.
func (r *record) object(f field, name string) []byte {
	if !r.has(f) {
		return nil
	}
	if kind(r.members[f]) != '{' {
		r.unexpected(name)
		return nil
	}
	return r.members[f]
}

// node is what every record of the transcript tree says.
type node struct {
	id     string
	parent schema.Parent
	time   string
	side   bool
}

// node decodes the members common to records of the tree; id is empty for
// others.
func (r *record) node() node {
	n := node{
		id:   r.text(fUUID, "uuid"),
		time: r.time(),
		side: r.flag(fIsSidechain, "isSidechain"),
	}
	if r.members[fParentUUID] != nil {
		n.parent = schema.Parent{Known: true, ID: r.text(fParentUUID, "parentUuid")}
	}
	return n
}

// time returns the record's time as RFC 3339 in UTC, "" if it has none that is
// a point in time.
func (r *record) time() string {
	s := r.text(fTimestamp, "timestamp")
	if s == "" {
		return ""
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || strings.Contains(s, ",") {
		return ""
	}
	if strings.HasSuffix(s, "Z") {
		return s
	}
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
