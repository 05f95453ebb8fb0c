package main

import (
	"encoding/base64"
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
	takesValue := valuesOfFlags(append(sharedFlags(), flagsOf(app, verb)...))
	var flags, operands []string
	seenVerb := verb == ""
	for i := 0; i < len(line); i++ {
		arg := line[i]
		switch {
		case !isFlag(arg) || isToken(arg, takesValue):
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
	takesValue := valuesOfFlags(sharedFlags())
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

// valuesOfFlags tells of the name of each flag whether it takes a value.
func valuesOfFlags(flags []cli.Flag) map[string]bool {
	names := make(map[string]bool)
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		for _, n := range f.Names() {
			names[n] = ok && doc.TakesValue()
		}
	}
	return names
}

// isToken tells an attempt token, 16 random bytes in base64url, from a flag: one in
// 64 begins with a hyphen.
func isToken(arg string, flags map[string]bool) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(arg)
	_, known := flags[flagName(arg)]
	return err == nil && len(b) == 16 && !known
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

func flagName(arg string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return name
}
