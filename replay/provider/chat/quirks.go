package chat

import "sort"

// Quirks are what servers of the Chat Completions API differ in.
type Quirks struct {
	// Name is the provider as it is recorded; seals go back to the same name
	// only.
	Name    string
	BaseURL string
	KeyEnv  string // environment variable of the key; empty: the server wants none
	// SystemRole is the role of the first message, system or developer.
	SystemRole string
	// LaterSystem is the role of context injected later: system, developer, or
	// user where the server's chat templates take a system message first only.
	LaterSystem string
	// MaxID is the longest call id; NineIDs: ids are nine of A-Z a-z 0-9.
	MaxID   int
	NineIDs bool
	// ObjectArguments: the server parses arguments, so they must be an object.
	ObjectArguments bool
	// Reasoning says what becomes of reasoning the server itself has sent:
	// "back", in the field it came in, or "drop".
	Reasoning string
	// DemandReasoning: an assistant message with calls must have
	// reasoning_content, if only an empty one.
	DemandReasoning bool
	// NoUsageOption: the server refuses stream_options.
	NoUsageOption bool
	// NoImages: the server takes texts only.
	NoImages bool
}

// quirks is the table. Sources: the vendors' API references, and for the local
// servers the chat templates they apply (role order, argument parsing).
var quirks = map[string]Quirks{
	"openai-chat": {
		BaseURL: "https://api.openai.com/v1", KeyEnv: "OPENAI_API_KEY",
		SystemRole: "developer", LaterSystem: "developer", MaxID: 40, Reasoning: "drop",
	},
	"deepseek": {
		BaseURL: "https://api.deepseek.com", KeyEnv: "DEEPSEEK_API_KEY",
		SystemRole: "system", LaterSystem: "system", MaxID: 40, ObjectArguments: true,
		Reasoning: "back", DemandReasoning: true, NoImages: true,
	},
	"mistral": {
		BaseURL: "https://api.mistral.ai/v1", KeyEnv: "MISTRAL_API_KEY",
		SystemRole: "system", LaterSystem: "user", NineIDs: true, MaxID: 9, ObjectArguments: true,
		Reasoning: "drop", NoUsageOption: true,
	},
	"qwen": {
		BaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", KeyEnv: "DASHSCOPE_API_KEY",
		SystemRole: "system", LaterSystem: "user", MaxID: 40, ObjectArguments: true, Reasoning: "drop",
	},
	"openrouter": {
		BaseURL: "https://openrouter.ai/api/v1", KeyEnv: "OPENROUTER_API_KEY",
		SystemRole: "system", LaterSystem: "system", MaxID: 40, ObjectArguments: true, Reasoning: "back",
	},
	"ollama": {
		BaseURL:    "http://localhost:11434/v1",
		SystemRole: "system", LaterSystem: "user", MaxID: 40, ObjectArguments: true, Reasoning: "back",
	},
	"llama.cpp": {
		BaseURL:    "http://localhost:8080/v1",
		SystemRole: "system", LaterSystem: "user", MaxID: 40, ObjectArguments: true, Reasoning: "back",
	},
	"vllm": {
		BaseURL:    "http://localhost:8000/v1",
		SystemRole: "system", LaterSystem: "user", MaxID: 40, ObjectArguments: true, Reasoning: "back",
	},
	"chat": {
		SystemRole: "system", LaterSystem: "user", MaxID: 40, ObjectArguments: true, Reasoning: "drop",
	},
}

// QuirksOf returns the quirks of a server by name; "chat" is a careful choice
// for one that is not in the table.
func QuirksOf(server string) (Quirks, bool) {
	q, ok := quirks[server]
	q.Name = server
	return q, ok
}

// Servers returns the names in the table, in order.
func Servers() []string {
	names := make([]string, 0, len(quirks))
	for name := range quirks {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
