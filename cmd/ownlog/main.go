// Command ownlog keeps, checks, converts and resumes the logs of AI agents.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	reportFileLimit()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Home: homeDir()})
	stop()
	os.Exit(code)
}

// homeDir returns the person's home, empty if the system does not say.
func homeDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return home
}
