// The bodies of requests as the vendors' npm packages type them. schemas.mjs makes
// a JSON Schema of each exported type.
import type { MessageCreateParamsStreaming } from "@anthropic-ai/sdk/resources/messages/messages";
import type { Content, GenerationConfig, SafetySetting, Tool, ToolConfig } from "@google/genai";
import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions/completions";
import type { ResponseCreateParamsStreaming } from "openai/resources/responses/responses";

export type Messages = MessageCreateParamsStreaming;
export type Responses = ResponseCreateParamsStreaming;
export type Chat = ChatCompletionCreateParamsStreaming;

// The package types its own function's parameters, not the body that it makes of
// them; what the body is made of it does type.
export interface GenerateContent {
  contents: Content[];
  tools?: Tool[];
  toolConfig?: ToolConfig;
  systemInstruction?: Content;
  safetySettings?: SafetySetting[];
  generationConfig?: GenerationConfig;
  cachedContent?: string;
}
