// Asks the Claude Agent SDK one prompt and prints the session's id.
// Usage: node ask.mjs SDK TOOL MODEL PROMPT [SESSION]
import { pathToFileURL } from "node:url";

const [sdk, tool, model, prompt, resume] = process.argv.slice(2);
const { query } = await import(pathToFileURL(sdk).href);
for await (const message of query({ prompt, options: { pathToClaudeCodeExecutable: tool, model, resume } })) {
  if (message.type === "result") console.log(message.session_id);
}
