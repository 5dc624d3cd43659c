import { createOpenAI } from "@ai-sdk/openai";

const perpend = createOpenAI({ baseURL: "http://127.0.0.1:8080/v1", apiKey: "my-key" });
export const model = perpend.chat("my-model");
export const low = { openai: { forceReasoning: true, reasoningEffort: "low" } };
