// Vercel's AI SDK and OpenAI's own from npm; fails where one doesn't get its answer.
import assert from "node:assert";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const baseURL = process.env.PERPEND_URL;
const prompt = "What is 2+3?";
const model = createOpenAICompatible({ name: "perpend", baseURL, apiKey: "none" })("small");

const whole = await generateText({ model, prompt, maxOutputTokens: 60 });
assert(whole.text && whole.reasoningText);
console.log("ai, generateText:", whole.text.slice(0, 40), whole.usage.outputTokens);

const streamed = streamText({ model, prompt, maxOutputTokens: 60 });
let text = "";
for await (const piece of streamed.textStream) text += piece;
assert(text);
console.log("ai, streamText:", text.slice(0, 40), (await streamed.usage).outputTokens);

const openai = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const response = await openai.responses.create({ model: "small", input: prompt, max_output_tokens: 60 });
assert(response.output_text);
console.log("openai, responses:", response.output_text.slice(0, 40), response.usage.output_tokens_details);
