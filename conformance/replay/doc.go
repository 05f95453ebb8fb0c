// Package replay holds proofs of the replay engine that need other parts of the
// project: that sessions imported from every vendor go on on every API.
package replay
