import Anthropic from "@anthropic-ai/sdk";

export const model = "my-model";
export const client = new Anthropic({ baseURL: "http://127.0.0.1:8080", apiKey: "my-key" });
