// Package claudecode holds tests of convert/claudecode that need more than Go:
// a corpus of real sessions, recordings of the real tool, and the tool itself.
// They run with the build tag `conformance`:
//
//	OWNLOG_CORPUS=DIR OWNLOG_VENDORS=DIR go test -tags conformance ./conformance/claudecode
//
// OWNLOG_CORPUS is a folder with real session files, OWNLOG_VENDORS one with
// recordings below claude-code/captures. A test whose folder is missing fails.
package claudecode
