package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// checkRecord counts what is wrong with a record of an append-only source and its
// place, whatever it says; lines: its records should be lines. All of its bytes are
// kept all the same.
func checkRecord(rec *Record, lines bool, findings Findings) {
	switch {
	case rec.Damaged:
		findings.Add("damaged-record", rec.Where())
	case lines && rec.HasSep && len(rec.Sep) == 0:
		findings.Add("glued-records", rec.Where())
	}
	if lines && rec.HasSep && len(rec.Sep) > 0 {
		findings.Add("odd-separator", rec.Where())
	}
	if rec.Damaged || rec.Checked {
		return
	}
	if !utf8.Valid(rec.Bytes) {
		findings.Add("invalid-utf8", rec.Where())
	}
	if _, lone := oddCharacters(rec.Bytes); lone {
		findings.Add("lone-surrogate", rec.Where())
	}
}

// CheckRecords looks through the records that an imported log mirrors for what the
// import of it did not count, since it is no damage to a session, and what other
// tools stumble over: characters that are none, and counts of tokens that cannot
// be.
func CheckRecords(ctx context.Context, store format.Store, log format.LogID, findings Findings) error {
	var where string
	usage := schema.NewValidator(schema.ValidatorOptions{Report: func(p schema.Problem) {
		if p.Code == schema.ProblemUsage {
			findings.Add("usage-anomaly", where)
		}
	}})
	return WalkEvents(ctx, store, log, 0, -1, func(e LogEvent) error {
		if e.Event == nil || e.Event.Source == nil {
			return nil
		}
		src := e.Event.Source
		if src.Row != nil && src.Row.Table == "file" {
			return nil // side files may hold anything
		}
		where = fmt.Sprintf("line %d", src.Line)
		if src.Row != nil {
			where = src.Row.Table + " " + src.Row.ID
		}
		usage.Event(e.Seq, e.Event, e.Raw != nil)
		if src.Part > 0 {
			return nil
		}
		record, err := RecordBytes(ctx, store, e.Event, e.Raw)
		if errors.Is(err, ErrNoRecord) {
			return nil
		}
		if err != nil {
			return err
		}
		nul, lone := oddCharacters(record)
		if nul {
			findings.Add("nul-byte", where)
		}
		if src.Row == nil {
			return nil // the rest was counted as it was read
		}
		if lone {
			findings.Add("lone-surrogate", where)
		}
		if !utf8.Valid(record) {
			findings.Add("invalid-utf8", where)
		}
		return nil
	})
}

// oddCharacters tells whether JSON holds NUL, as a byte or escaped, and half a
// surrogate pair, escaped.
func oddCharacters(b []byte) (nul, lone bool) {
	nul = bytes.IndexByte(b, 0) >= 0
	for {
		at := bytes.IndexByte(b, '\\')
		if at < 0 || at+1 >= len(b) {
			return nul, lone
		}
		b = b[at:]
		unit, ok := escapedUnit(b)
		switch {
		case !ok:
			b = b[2:]
			continue
		case unit == 0:
			nul = true
		case unit >= 0xd800 && unit < 0xdc00:
			if low, ok := escapedUnit(b[6:]); ok && low >= 0xdc00 && low < 0xe000 {
				b = b[6:]
			} else {
				lone = true
			}
		case unit >= 0xdc00 && unit < 0xe000:
			lone = true
		}
		b = b[6:]
	}
}

// escapedUnit reads the UTF-16 unit of an escape of the form \uXXXX.
func escapedUnit(b []byte) (unit uint32, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | uint32(c)
	}
	return unit, true
}
