// Package tables reads a log as rows: one row a session, event, block of
// content, model call, tool call, touched file and compaction. The Parquet
// export writes these rows to files and the statistics add them up, so that
// both always say the same.
//
// # Promises
//
//   - Absent is nil, never 0 or "". An empty string or a zero that the log
//     states is there.
//   - Rows of a table come in ascending seq.
//   - A log's rows are a function of its entries, of [Version] and of the price
//     table. No clock, machine or other log has a say.
//   - Entries that no event can be made of are rows of the events table all the
//     same; they never stop a projection.
//   - A fork's rows are those of its own entries. What stands in its parent is
//     in the parent's rows, so that sums over logs count everything once.
//   - Rows that a source revised (OpenCode) are counted once, in their newest
//     state; the events table has all of them, the older ones marked.
//
// # Not promised
//
//   - That times of one log ascend.
//   - Memory independent of the number of model and tool calls in one log: it
//     takes about a kilobyte a call, whatever the length of texts.
package tables
