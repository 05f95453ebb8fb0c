package tool

import "os/exec"

func shellCommand(line string) []string {
	if line == "" {
		return nil
	}
	return []string{"cmd.exe", "/C", line}
}

// ownGroup does nothing: stopping a command stops the command alone.
func ownGroup(*exec.Cmd) {}
