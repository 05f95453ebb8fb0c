package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// usage is what a process and its children took.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // peak resident memory, in bytes
	out       string
}

// process runs a command. Its output goes to the null device unless keep is set.
func (b *bench) process(keep bool, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Stderr = os.Stderr
	var out strings.Builder
	if keep {
		cmd.Stdout = &out
	}
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	u := usage{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), out: out.String()}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return usage{}, errors.New("the system does not tell what memory a process took")
	}
	u.memory = int64(used.Maxrss)
	if runtime.GOOS != "darwin" {
		u.memory <<= 10
	}
	return u, nil
}

// shell runs a line of shell; files are its arguments.
func (b *bench) shell(keep bool, line string, files ...string) (usage, error) {
	return b.process(keep, "sh", append([]string{"-c", line, "sh"}, files...)...)
}

// partFlag makes the command a child that does one part and prints its result.
const partFlag = "--part"

// part runs a part in a child and reads its result.
func (b *bench) part(result any, name string, args ...string) error {
	u, err := b.process(true, b.self, append([]string{partFlag, name}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(u.out), result)
}

func runPart(name string, args []string) error {
	parts := map[string]func(args []string) (any, error){"log": makeLog, "append": measureAppend, "durable": measureDurable, "last": readLast}
	part, ok := parts[name]
	if !ok {
		return fmt.Errorf("no part %q", name)
	}
	result, err := part(args)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// alternate runs the contenders in turn and returns the runs of each.
func alternate(rounds int, contenders ...func() (usage, error)) ([][]usage, error) {
	runs := make([][]usage, len(contenders))
	for range rounds {
		for i, c := range contenders {
			u, err := c()
			if err != nil {
				return nil, err
			}
			runs[i] = append(runs[i], u)
		}
	}
	return runs, nil
}

// median returns the middle one of what value gives.
func median[T any, V int64 | float64 | time.Duration](list []T, value func(T) V) V {
	values := make([]V, len(list))
	for i, v := range list {
		values[i] = value(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func wall(u usage) time.Duration { return u.wall }
func cpu(u usage) time.Duration  { return u.cpu }

func megabytes(bytes int64, d time.Duration) float64 { return float64(bytes) / 1e6 / d.Seconds() }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
