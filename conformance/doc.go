// Package conformance holds the tests that compare package format with the
// specification and with the vectors. It has no code of its own; README.md says
// what else is in this folder.
package conformance
