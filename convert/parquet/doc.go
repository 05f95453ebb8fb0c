// Package parquet writes logs as Parquet tables for analysis: the rows of
// package tables, one file for each log and table.
//
//	<out>/<table>/date=YYYY-MM-DD/<log-id>.parquet
//	<out>/manifest.jsonl
//	<out>/views.sql        views for DuckDB: the tables, and ten stock questions
//
// The date is that of the session's start; logs without any time stand in
// date=__HIVE_DEFAULT_PARTITION__, which readers of partitioned folders know as
// NULL. Every table has an empty file there too, so that a table without rows
// can be read all the same.
//
// # Promises
//
//   - Files are whole: written beside their place, synced, renamed. A process
//     killed at any moment leaves files of the old or the new state.
//   - The manifest decides which files count. It is replaced last, in one step;
//     what a killed export left behind is removed by the next one.
//   - Exporting again adds nothing; a log that grew has its files replaced.
//   - NULL, "" and 0 stay apart. JSON is plain STRING. No type is used that
//     common readers do not know.
//   - Rows of logs that were removed from the store go with the next export that
//     prunes.
//   - Memory does not depend on the size of logs or of texts: row groups are
//     written out as they fill. Of each log in the folder the manifest is in
//     memory, about a kilobyte.
//
// # Not promised
//
//   - That a reader which ignores the manifest never sees a log's tables at two
//     different heads while an export runs.
package parquet
