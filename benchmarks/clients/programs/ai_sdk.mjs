// Vercel's AI SDK, through whichever of its providers the configuration names.
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { low, model } from "./configuration.mjs";
import { collect, image, run } from "./harness.mjs";

const ask = (prompt, options = {}) => generateText({ model, prompt, maxRetries: 0, ...options });
const user = (content) => ({ role: "user", content });
const add = tool({
  description: "Add two numbers.",
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  execute: async ({ a, b }) => a + b,
});

await run({
  text: async (prompt) => (await ask(prompt)).text,
  stream: (prompt) => collect(streamText({ model, prompt }).textStream),
  second_turn: async (first, second) => {
    const before = await ask(first, { providerOptions: low });
    const messages = [user(first), ...before.response.messages, user(second)];
    return (await generateText({ model, messages, maxRetries: 0, providerOptions: low })).text;
  },
  tool_loop: async (prompt) =>
    (await ask(prompt, { tools: { add }, stopWhen: stepCountIs(3), providerOptions: low })).text,
  schema: async (prompt) => {
    const schema = z.object({ name: z.string(), age: z.number() });
    return JSON.stringify((await generateObject({ model, prompt, schema, maxRetries: 0 })).object);
  },
  thinking: async (prompt) => (await ask(prompt, { providerOptions: low })).reasoningText,
  effort: async (prompt) => (await ask(prompt, { providerOptions: low })).text,
  errors: async (prompt) => (await ask(prompt)).text,
  image: async (prompt) => {
    const messages = [user([{ type: "text", text: prompt }, { type: "image", image, mediaType: "image/png" }])];
    return (await generateText({ model, messages, maxRetries: 0 })).text;
  },
});
