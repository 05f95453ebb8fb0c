//go:build !unix

package main

// reportFileLimit has nothing to do: there is no such limit here.
func reportFileLimit() {}
