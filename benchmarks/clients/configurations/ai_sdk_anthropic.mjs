import { createAnthropic } from "@ai-sdk/anthropic";

const perpend = createAnthropic({ baseURL: "http://127.0.0.1:8080/v1", apiKey: "my-key" });
export const model = perpend("my-model");
export const low = { anthropic: { thinking: { type: "adaptive" }, effort: "low" } };
