// Package claudecode reads and writes the sessions of Claude Code and of the
// Claude Agent SDK, which keeps the same files.
//
// A session's main transcript and each subagent's transcript become a log each;
// side files (subagent meta, tool results, task lists, file history, titles)
// go to the session's assets log. spec/mapping-claude-code.md says which record
// becomes which entries, docs/claude-code.md what each direction carries.
//
// # Promises
//
//   - Every record type is kept, known or not; what has an unexpected shape
//     becomes a vendor.record with a finding.
//   - Export of an imported session gives its files back byte for byte.
//   - Keys, credentials, settings and the registry of running sessions are
//     never read.
//
// # Not promised
//
//   - That the tool accepts a session of any other version of itself. Tested
//     are 2.1.197 and 2.1.330.
package claudecode

// Name is the vendor's name on the command line and in logs.
const Name = "claude-code"
