import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const url = "http://127.0.0.1:8080/v1";
const perpend = createOpenAICompatible({ name: "perpend", baseURL: url, apiKey: "my-key", supportsStructuredOutputs: true });
export const model = perpend("my-model");
export const low = { perpend: { reasoningEffort: "low" } };
