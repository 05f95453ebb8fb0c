package replay

import (
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// DefaultDefinition is a plain coding agent with the built-in tools, for
// sessions that come without a definition of their own: under the names that a
// session of that vendor knows, see [tool.Vocabulary]. It names no model.
func DefaultDefinition(vendor string) schema.Definition {
	return schema.Definition{
		System: []string{
			"You are a coding agent. You work in one directory, with tools to look around, to read and change files and to run commands. " +
				"Look before you change anything, make the smallest change that does what is asked, check that it works, and say briefly what you did. " +
				"When the outcome of an earlier call is not known, find out before you repeat it.",
		},
		Tools: tool.Vocabulary(vendor).Definitions(),
	}
}
