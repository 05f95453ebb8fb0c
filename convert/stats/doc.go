// Package stats adds up what logs say: tokens and cost, tools that failed, waits
// for permission, compactions. It counts the rows of package tables, so its
// figures are those of the Parquet files; docs/sql.md has the same questions in
// SQL.
//
// # Promises
//
//   - Everything is counted once: usage once a model response, a fork's own
//     entries only, revised rows in their newest state.
//   - A cost that nobody knows is not counted as 0: groups say how many of their
//     calls have none, and the report names the models.
//   - Groups come in ascending order of what they are grouped by, what is absent
//     first.
package stats
