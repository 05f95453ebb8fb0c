// Package timeline renders a log for a person to read: a line an event, in log
// order, with what it says cut to one line.
//
// It promises one line for every entry, holes and unknown types included. It
// does not escape what a log says for a terminal: whoever prints does.
package timeline

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Options say what is shown.
type Options struct {
	From, To int64 // entries, To negative: to the end
	// Width is how many characters of text a line holds at most; 0: 100.
	Width int
	// Records shows vendor records that say nothing else, too.
	Records bool
}

// Write writes a line for each entry of a log.
func Write(ctx context.Context, w io.Writer, store format.Store, log format.LogID, opts Options) error {
	if opts.Width == 0 {
		opts.Width = 100
	}
	return convert.WalkEvents(ctx, store, log, opts.From, opts.To, func(e convert.LogEvent) error {
		if e.Event == nil {
			_, err := fmt.Fprintf(w, "%6d  %-8s  %-8s %-10s %s\n", e.Seq, "", "", "hole", "redacted")
			return err
		}
		if _, ok := e.Event.Data.(*schema.VendorRecord); ok && !opts.Records {
			return nil
		}
		l := Describe(e.Event)
		_, err := fmt.Fprintf(w, "%6d  %-8s  %-8s %-10s %s\n", e.Seq, clock(e.Event.Time), place(e.Event), l.Who, cut(l.Text, opts.Width))
		return err
	})
}

// Line is an event in words.
type Line struct {
	Who  string // a word: user, model, tool, ...
	Text string
}

// Describe says what an event says.
func Describe(ev *schema.Event) Line {
	switch d := ev.Data.(type) {
	case *schema.SessionOpened:
		return Line{"session", strings.Join(nonEmpty("opened", ev.Source.VendorName(), d.VendorVersion, d.Title, inDir(d.CWD)), " ")}
	case *schema.SessionDefined:
		if d.Definition == nil { // a log may say anything
			return Line{"session", "defined"}
		}
		return Line{"session", "defined " + d.Definition.Digest}
	case *schema.SessionUpdated:
		return Line{"session", describeUpdate(d)}
	case *schema.SessionForked:
		return Line{"session", describeFork(d)}
	case *schema.SessionLinked:
		return Line{"session", strings.Join(nonEmpty("linked", d.Child, d.Parent, string(d.CallKey)), " ")}
	case *schema.BranchSelected:
		if d.DropUserTurns > 0 {
			return Line{"branch", fmt.Sprintf("dropped the last %d user turns", d.DropUserTurns)}
		}
		return Line{"branch", "selected " + d.Leaf}
	case *schema.UserMessage:
		return Line{"user", parts(d.Content)}
	case *schema.SystemMessage:
		return Line{"context", strings.Join(nonEmpty(d.Kind, parts(d.Content)), ": ")}
	case *schema.UserInterrupt:
		return Line{"user", strings.Join(nonEmpty("interrupted", d.Scope, d.Reason), " ")}
	case *schema.ModelRequested:
		return Line{"request", strings.Join(nonEmpty(d.Provider, d.Model, fmt.Sprintf("attempt %d", d.Attempt)), " ")}
	case *schema.ModelOutput:
		return Line{"model", describeOutput(d)}
	case *schema.ModelFailed:
		return Line{"failed", strings.Join(nonEmpty(string(d.Class), status(d.HTTPStatus), d.Message.Inline), " ")}
	case *schema.PermissionRequested:
		return Line{"permission", fmt.Sprintf("requested for %s %s", d.CallKey, d.Tool)}
	case *schema.PermissionDecided:
		return Line{"permission", strings.Join(nonEmpty(string(d.CallKey), string(d.Decision), by(d.By), d.Scope), " ")}
	case *schema.ToolStarted:
		return Line{"tool", "started " + string(d.CallKey)}
	case *schema.ToolResult:
		return Line{"tool", describeResult(d)}
	case *schema.TurnStarted:
		return Line{"turn", "started"}
	case *schema.TurnFinished:
		return Line{"turn", strings.Join(nonEmpty("finished", string(d.Reason), d.Message.Inline), " ")}
	case *schema.ContextCompacted:
		return Line{"context", strings.Join(nonEmpty("compacted", d.Trigger), " ")}
	case *schema.LeaseAcquired:
		return Line{"lease", fmt.Sprintf("epoch %d acquired by %s", ev.Epoch, d.Holder)}
	case *schema.LeaseReleased:
		return Line{"lease", fmt.Sprintf("epoch %d released by %s", ev.Epoch, d.Holder)}
	case *schema.FileChanged:
		return Line{"file", strings.Join(nonEmpty(d.Change, d.Path), " ")}
	case *schema.NoteAdded:
		return Line{"note", d.Text.Inline}
	case *schema.VendorRecord:
		kind := d.Kind
		if d.Damaged {
			kind = "damaged record"
		}
		return Line{"record", strings.Join(nonEmpty(kind, d.Finding), ": ")}
	}
	return Line{"event", string(ev.Type)}
}

func describeUpdate(d *schema.SessionUpdated) string {
	var what []string
	if d.Title != "" {
		what = append(what, "title "+d.Title)
	}
	if d.Model != nil {
		what = append(what, "model "+d.Model.ID)
	}
	if d.Permissions != nil {
		what = append(what, "permissions "+string(d.Permissions))
	}
	if n := len(d.ToolsAdded) + len(d.ToolsRemoved); n > 0 {
		what = append(what, fmt.Sprintf("%d tools", n))
	}
	return "updated: " + strings.Join(what, ", ")
}

func describeFork(d *schema.SessionForked) string {
	from := ""
	if d.From != nil {
		from = strings.Join(nonEmpty(d.From.VendorSession, d.From.Log), " ")
	}
	return strings.Join(nonEmpty("forked from", from, d.Base, d.Reason), " ")
}

func describeOutput(d *schema.ModelOutput) string {
	var what []string
	for _, b := range d.Blocks {
		switch b.Type {
		case schema.BlockText, schema.BlockRefusal:
			what = append(what, b.Text.Inline)
		case schema.BlockReasoning:
			what = append(what, "(reasoning)")
		case schema.BlockToolCall:
			args := string(b.Args)
			if args == "" {
				args = b.ArgsRaw.Inline
			}
			what = append(what, fmt.Sprintf("call %s %s %s", b.CallKey, b.Name, args))
		default:
			what = append(what, "("+string(b.Type)+")")
		}
	}
	if u := d.Usage; u != nil && len(d.Blocks) == 0 {
		what = append(what, fmt.Sprintf("usage: %s in, %s out", count(u.Input), count(u.Output)))
	}
	return strings.Join(what, " ")
}

func describeResult(d *schema.ToolResult) string {
	exit := ""
	if d.ExitCode != nil {
		exit = fmt.Sprintf("exit %d", *d.ExitCode)
	}
	return strings.Join(nonEmpty("result", string(d.CallKey), string(d.Status), exit, parts(d.Content)), " ")
}

// parts says what a message holds.
func parts(list []schema.Part) string {
	var what []string
	for _, p := range list {
		switch {
		case p.Type == schema.PartText && p.Text.Blob != nil:
			what = append(what, fmt.Sprintf("(text of %d bytes)", p.Text.Blob.Size))
		case p.Type == schema.PartText:
			what = append(what, p.Text.Inline)
		default:
			what = append(what, strings.Join(nonEmpty("("+string(p.Type), p.Name, p.VendorType), " ")+")")
		}
	}
	return strings.Join(what, " ")
}

// cut makes a text one line of at most width characters.
func cut(s string, width int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	n := 0
	for i := range s {
		if n == width-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

func clock(time string) string {
	if t, err := schema.ParseTime(time); err == nil {
		return t.Format("15:04:05")
	}
	return ""
}

func place(ev *schema.Event) string {
	switch {
	case ev.Step > 0:
		return fmt.Sprintf("%d/%d", ev.Turn, ev.Step)
	case ev.Turn > 0:
		return fmt.Sprintf("%d", ev.Turn)
	}
	return ""
}

func count(n *int64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

func status(code int64) string {
	if code == 0 {
		return ""
	}
	return fmt.Sprintf("HTTP %d", code)
}

func inDir(dir string) string {
	if dir == "" {
		return ""
	}
	return "in " + dir
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return "by " + who
}

func nonEmpty(words ...string) []string {
	var list []string
	for _, w := range words {
		if w != "" {
			list = append(list, w)
		}
	}
	return list
}
