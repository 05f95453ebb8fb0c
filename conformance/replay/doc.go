// Package replay holds proofs of the replay engine that need other parts of the
// project: that sessions imported from every vendor go on on every API. What
// other proofs need for that is exported.
package replay
