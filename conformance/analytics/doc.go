// Package analytics holds tests in which other programs read what ownlog writes:
// DuckDB, Polars and hyparquet open every Parquet table and compare every column
// of every row with what the Go code says the row is; DuckDB reads sealed and
// live segments directly and answers the questions of convert/parquet/views.sql.
// They run with the build tag `conformance`:
//
//	OWNLOG_CORPUS=DIR go test -tags conformance ./conformance/analytics
//
// The tokens of the corpus are counted beside ccusage, by session, day and model;
// OWNLOG_CCUSAGE names a folder where that npm package is installed.
//
// OWNLOG_CORPUS is a folder with real session files. The readers are npm
// packages, installed as package-lock.json says into a temporary folder;
// OWNLOG_ANALYTICS names a folder where they are installed already. The lock file
// is for Linux on amd64. The binary of Polars is named in package.json because it
// asks for a newer Node.js than it needs, and would be passed over on an older one.
package analytics
