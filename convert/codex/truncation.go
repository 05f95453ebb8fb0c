package codex

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// What the CLI makes of outputs and images before it sends them (0.169.0).
const (
	// outputTokens is the limit in the CLI's catalogue of models, historySlack what
	// the history keeps beyond it, in tenths, and tokenBytes what it counts as a token.
	outputTokens = 10_000
	historySlack = 12
	tokenBytes   = 4
	// unreadableImage is sent in the place of an image that does not decode.
	unreadableImage = "image content omitted because it could not be processed"
)

// outputBudget is how many bytes of an output are sent; limit is the record's
// own limit in tokens, 0 if it has none.
func outputBudget(limit int64) int {
	if limit > 0 && limit < 1<<40 {
		return int(limit) * tokenBytes
	}
	return outputTokens * historySlack / 10 * tokenBytes
}

// shorten cuts an output, a string or a list of parts, whose texts share the
// budget. Messages and arguments are never cut.
func (h *History) shorten(v value, budget int) value {
	switch v.kind() {
	case '"':
		text := v.text()
		if len(text) <= budget {
			return v
		}
		return quote(cut(text, budget))
	case '[':
		return h.wireParts(v, &budget)
	}
	return v
}

// cut keeps the first and the last half of budget bytes and says how much is
// missing between them.
func cut(text string, budget int) string {
	if len(text) <= budget {
		return text
	}
	head, tail := text[:budget/2], text[len(text)-(budget-budget/2):]
	missing := (len(text) - budget + tokenBytes - 1) / tokenBytes
	return wholeRunes(head) + fmt.Sprintf("…%d tokens truncated…", missing) + wholeRunes(tail)
}

// wholeRunes drops the pieces of characters that a cut left at the ends.
func wholeRunes(s string) string { return strings.ToValidUTF8(s, "") }

// wireParts replaces images that do not decode and, with a budget, cuts texts.
func (h *History) wireParts(list value, budget *int) value {
	out := []byte{'['}
	omitted := 0
	add := func(v []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	elements(list, func(_ int, v value) bool {
		var p object
		p.parse(v)
		kind := p.str("type")
		if kind == "input_image" && !imageDecodes(p.str("image_url")) {
			kind, v = "input_text", textPart(unreadableImage)
			p.parse(v)
		}
		if kind != "input_text" || budget == nil {
			add(v)
			return true
		}
		if *budget <= 0 {
			omitted++
			return true
		}
		text := p.str("text")
		if len(text) > *budget {
			v = withText(&p, cut(text, *budget))
		}
		*budget -= len(text)
		add(v)
		return true
	})
	if omitted > 0 {
		add(textPart(fmt.Sprintf("[omitted %d text items ...]", omitted)))
	}
	return append(out, ']')
}

func textPart(text string) value {
	return append(append([]byte(`{"type":"input_text","text":`), quote(text)...), '}')
}

// withText spells a part with another text.
func withText(p *object, text string) value {
	out := p.without("text")
	out = append(out[:len(out)-1], `,"text":`...)
	return append(append(out, quote(text)...), '}')
}

// imageDecodes tells whether the CLI would take an image: one that is elsewhere,
// or a data URI that holds a whole PNG, or what begins like a JPEG, GIF or WebP.
// It looks at signatures and sums, not at pixels.
func imageDecodes(url string) bool {
	if !strings.HasPrefix(url, "data:") {
		return true
	}
	_, encoded, _ := strings.Cut(url, ",")
	b, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && isImage(b)
}

// isImage is the same for the bytes of an image.
func isImage(b []byte) bool {
	begins := func(with string) bool { return len(b) >= len(with) && string(b[:len(with)]) == with }
	switch {
	case begins("\x89PNG\r\n\x1a\n"):
		return len(b) >= 45 && string(b[12:16]) == "IHDR" &&
			crc32.ChecksumIEEE(b[12:29]) == binary.BigEndian.Uint32(b[29:33]) &&
			strings.Contains(string(b[len(b)-12:]), "IEND")
	case begins("\xff\xd8\xff"), begins("GIF8"):
		return true
	}
	return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP"
}
