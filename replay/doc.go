// Package replay turns logs into running agents. An agent is its log; an
// executor holds nothing of it. [Executor.Run] folds a log, sees what is open,
// does the next step, appends what came of it, and goes on; any process can take
// over after any entry.
//
// # Promises
//
//   - A tool call is durable in the log before the tool runs. One that must not
//     be repeated blindly (effect class effectful) is dispatched at most once, and
//     no call is dropped: one whose outcome is unknown is answered as unknown.
//   - A permission prompt is an entry. It survives the executor, and whoever may
//     append to the log may answer it ([Decide]).
//   - Every entry an executor writes is a compare-and-append at the position it
//     has folded to, so that of two executors only one writes: the lease's epoch
//     is checked by the log itself. Clocks and lease hints decide who waits, never
//     what is true.
//   - Requests are projected from the fold alone, by rules that are pure and
//     prefix-stable (package provider).
//   - Failed requests, retries and their times are entries too.
//
// # Not promised
//
//   - Exactly-once model calls. A request that was sent by an executor which then
//     died is sent again under the same request id, and may be billed twice.
//   - That the world is fenced. A tool that was dispatched before its executor
//     lost the lease may still finish; effect classes and idempotency keys are for
//     that.
package replay
