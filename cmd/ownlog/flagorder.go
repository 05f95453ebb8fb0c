package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorderFlags lets flags stand anywhere before `--`: it returns the command
// line with the verb first, then its flags, then `--` and everything else. The
// CLI library alone takes flags only directly behind the verb.
func reorderFlags(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return []string{app.Name}
	}
	line, rest := args[1:], []string(nil)
	if i := slices.Index(line, "--"); i >= 0 {
		line, rest = line[:i], line[i+1:]
	}
	verb := findVerb(app, line)
	takesValue := valueFlags(append(sharedFlags(), flagsOf(app, verb)...))
	var flags, operands []string
	seenVerb := verb == ""
	for i := 0; i < len(line); i++ {
		arg := line[i]
		switch {
		case !isFlag(arg):
			if !seenVerb {
				seenVerb = true // the verb itself
				continue
			}
			operands = append(operands, arg)
		case takesValue[flagName(arg)] && !strings.Contains(arg, "=") && i+1 < len(line):
			flags = append(flags, arg, line[i+1])
			i++
		default:
			flags = append(flags, arg)
		}
	}
	out := []string{args[0]}
	if verb != "" {
		out = append(out, verb)
	}
	out = append(out, flags...)
	if len(operands)+len(rest) > 0 {
		out = append(out, "--")
	}
	return append(append(out, operands...), rest...)
}

// findVerb returns the first argument that is neither a flag nor the value of one.
func findVerb(app *cli.App, line []string) string {
	takesValue := valueFlags(sharedFlags())
	for i := 0; i < len(line); i++ {
		switch arg := line[i]; {
		case !isFlag(arg):
			if app.Command(arg) == nil {
				return ""
			}
			return arg
		case takesValue[flagName(arg)] && !strings.Contains(arg, "="):
			i++
		}
	}
	return ""
}

func flagsOf(app *cli.App, verb string) []cli.Flag {
	if c := app.Command(verb); c != nil {
		return c.Flags
	}
	return nil
}

// valueFlags returns the names of the flags that take a value.
func valueFlags(flags []cli.Flag) map[string]bool {
	names := make(map[string]bool)
	for _, f := range flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok && doc.TakesValue() {
			for _, n := range f.Names() {
				names[n] = true
			}
		}
	}
	return names
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

func flagName(arg string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return name
}
