// Package opencode reads and writes the sessions of OpenCode: its SQLite
// databases of every generation, the JSON tree that releases before 1.2 kept,
// and the files of `opencode export` and `opencode import`.
//
// # Promises
//
//   - A database is copied, with its write-ahead log, into a private folder and
//     only the copy is opened: nothing is created beside the original.
//   - Tables that hold secrets (accounts, credentials, shares) are never read.
//   - Every row is kept with its columns and the text of its data byte for byte;
//     what a damaged database still gives is imported, what it does not is named.
//   - Memory is bounded by the ids of one session, not by the size of rows.
//
// # Not promised
//
//   - What the tool itself does not record: system prompts, tool lists, the
//     lineage of forks, and that a call waits for a person.
//
// Facts about the formats are those of releases 1.1.53, 1.2.27 and 1.18.33.
package opencode
