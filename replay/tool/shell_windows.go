package tool

import "os/exec"

func shellCommand(line string) []string {
	if line == "" {
		return nil
	}
	return []string{"cmd.exe", "/C", line}
}

// dontWait is no flag: a directory holds no pipes here.
const dontWait = 0

// ownGroup does nothing: stopping a command stops the command alone.
func ownGroup(*exec.Cmd) {}
