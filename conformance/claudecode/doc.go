// Package claudecode holds tests of convert/claudecode that need more than Go:
// a corpus of real sessions, recordings of the real tool, and the tool itself.
// They run with the build tag `conformance`:
//
//	OWNLOG_CORPUS=DIR OWNLOG_VENDORS=DIR OWNLOG_CLAUDE_CLI=DIR go test -tags conformance ./conformance/claudecode
//
// OWNLOG_CORPUS is a folder with real session files, OWNLOG_VENDORS one with
// recordings below claude-code/captures; a test whose folder is missing fails.
// OWNLOG_CLAUDE_CLI is a folder in which npm installs the pinned tool unless it is
// there (default: below the user's cache folder); after it, separated like PATH,
// stand folders in which npm installed older versions
// (@anthropic-ai/claude-code-linux-x64 2.1.197). The tool talks to a scripted
// provider on loopback, with a made-up key and a scratch home. The Agent SDK, which
// is run by node, is installed into the folder agent-sdk beside the pinned tool.
//
// Older versions resume some of the sessions, and all of them with OWNLOG_SOAK=1;
// `conformance/soak --only versions` does that.
package claudecode
