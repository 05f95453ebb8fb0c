// Package codex holds tests of convert/codex that need more than Go: a corpus of
// real sessions, recordings of the real tool with the requests it sent, and the
// tool itself. They run with the build tag `conformance`:
//
//	OWNLOG_CORPUS=DIR OWNLOG_VENDORS=DIR OWNLOG_CODEX_CLI=DIR go test -tags conformance ./conformance/codex
//
// OWNLOG_CORPUS is a folder with real session files, OWNLOG_VENDORS one with
// recordings below codex/captures, OWNLOG_CODEX_CLI one or more (separated like
// PATH) in which npm installed the tool (node_modules/.bin/codex): @openai/codex
// 0.169.0, then older ones (0.98.0, 0.130.0). A test whose folder is missing fails.
//
// Older versions resume some of the sessions, and all of them with OWNLOG_SOAK=1;
// `conformance/soak --only versions` does that.
package codex
