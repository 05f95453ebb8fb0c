//go:build unix

package tool

import (
	"os/exec"
	"syscall"
)

func shellCommand(line string) []string {
	if line == "" {
		return nil
	}
	return []string{"/bin/sh", "-c", line}
}

// dontWait is the flag with which opening a pipe does not wait for its writer.
const dontWait = syscall.O_NONBLOCK

// ownGroup makes the command a process group of its own, so that stopping it
// stops what it has started too.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
