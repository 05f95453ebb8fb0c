// Package schema says what a log means: the event types, their bytes, the fold
// from events to session state, the provider-neutral view of a conversation,
// validation, the fidelity report and the price table.
//
// It knows nothing of files, segments or stores. An event travels as the
// normalised object of an entry; whoever stores it joins the vendor's own
// record to it (format.JoinRaw) and cuts it off again (format.CutRaw).
//
// # Promises
//
//   - One vocabulary for what happened in any agent session; types and members
//     are only ever added. Unknown types and members are carried and ignored.
//   - The same event always encodes to the same bytes: members in the order of
//     the Go types, minimal escapes, no whitespace. Golden files pin them.
//   - The fold is pure, total and deterministic: it reads no clock and fails on
//     no sequence of events.
//
// # Not promised
//
//   - That two vendors' sessions which look alike fold to equal states.
//   - Order by time. Events are ordered by their position in the log.
package schema
