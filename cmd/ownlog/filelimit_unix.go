//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// reportFileLimit makes a write above the limit of file sizes (ulimit -f) an error
// like that of a full disk. Without it the signal ends the process with a dump.
func reportFileLimit() { signal.Ignore(syscall.SIGXFSZ) }
