// Package codex reads and writes the session files of the OpenAI Codex CLI:
// rollouts of every generation (bare lines of 2025, enveloped legacy files,
// paginated files, and any of them compressed), and the few side files that hold
// names, goals and queued messages.
//
// A [Mapper] turns the records of a rollout into events, by spec/mapping-codex.md.
// The history that the CLI sends to its provider follows from the log alone
// ([History]), and a log of any origin can be given to the CLI as a rollout.
//
// The CLI's home is only ever read. A session that is being written can be
// imported; its writer lock is not looked at.
//
// Facts about the CLI hold for 0.169.0 unless a version is named.
package codex
