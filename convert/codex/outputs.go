package codex

import (
	"strconv"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// output maps the answer to a tool call.
func (r *record) output(p *object, kind string) (finding string) {
	callID := p.str("call_id")
	res := &schema.ToolResult{VendorID: callID, Status: schema.StatusOK}
	if kind == itemSearchOutput {
		p.must("tools", '[')
		if s := p.str("status"); s != "" && s != "completed" {
			res.Status = schema.StatusError
		}
		res.Content = []schema.Part{r.opaque(kind, p.without(host))}
	} else if f := r.outputContent(p, res); f != "" {
		return f
	}
	if f := p.finding(); f != "" {
		return f
	}
	r.m.numbers.close()
	c := r.m.numbers.answering(callID, kind)
	if c == nil {
		return findingOrphan
	}
	c.answered = true
	res.CallKey = c.key
	r.add(schema.ActorTool, c.turn, c.step, res)
	return ""
}

// outputContent reads an output, a string or a list of parts, and what it says
// about how the call ended.
func (r *record) outputContent(p *object, res *schema.ToolResult) (finding string) {
	var text string
	switch output := p.get("output"); output.kind() {
	case '"':
		text = output.text()
		res.Shape = "string"
		res.Content = []schema.Part{{Type: schema.PartText, Text: r.text(text)}}
	case '[':
		parts, f := r.parts(output)
		if f != "" {
			return f
		}
		res.Shape, res.Content = "list", parts
		for _, part := range parts {
			if part.Type == schema.PartText {
				text = part.Text.Inline
				break
			}
		}
	case 0:
		p.note("output", true)
	default:
		p.note("output", false)
	}
	res.Status, res.ExitCode = outcome(text)
	return ""
}

// outcome reads status and exit code from the text of an output: the CLI has no
// field for them.
func outcome(text string) (schema.Status, *int64) {
	if text == "aborted" || strings.HasSuffix(strings.TrimRight(text, "\n"), "aborted by user") {
		return schema.StatusCancelled, nil
	}
	for _, prefix := range []string{"unsupported call", "failed to parse", "apply_patch verification failed", "Script failed\n"} {
		if strings.HasPrefix(text, prefix) {
			return schema.StatusError, nil
		}
	}
	code, ok := exitCode(text)
	switch {
	case !ok:
		return schema.StatusOK, nil
	case code != 0:
		return schema.StatusError, schema.Int(code)
	}
	return schema.StatusOK, schema.Int(code)
}

// exitCode finds the exit code in the lines before the output proper
// ("Process exited with code 3"; "Exit code: 3" up to 0.142) or, up to 0.98, in
// {"output":...,"metadata":{"exit_code":3}}.
func exitCode(text string) (int64, bool) {
	if strings.HasPrefix(text, `{"output":`) {
		return exitCodeMember(text)
	}
	head, _, _ := strings.Cut(text, "\nOutput:")
	for n := 0; n < maxOutputHead && head != ""; n++ {
		var line string
		line, head, _ = strings.Cut(head, "\n")
		for _, label := range []string{"Process exited with code ", "Exit code: "} {
			if digits, ok := strings.CutPrefix(line, label); ok {
				code, err := strconv.ParseInt(digits, 10, 32)
				return code, err == nil
			}
		}
	}
	return 0, false
}

// maxOutputHead is how many lines an output's head may have.
const maxOutputHead = 6

func exitCodeMember(text string) (int64, bool) {
	var o object
	o.parseText(value(text))
	o.parse(o.get("metadata"))
	return o.integer("exit_code")
}
