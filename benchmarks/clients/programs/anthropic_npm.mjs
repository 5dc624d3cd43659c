// Anthropic's SDK from npm: messages, its tool runner, parsed answers.
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { client, model } from "./configuration.mjs";
import { collect, image, run } from "./harness.mjs";

const thinks = { thinking: { type: "adaptive", display: "summarized" } };
const user = (content) => ({ role: "user", content });
const body = (messages, options = {}) => ({ model, max_tokens: 4096, messages, ...options });
const ask = (messages, options) => client.messages.create(body(messages, options));
const kind = (message, type) => message.content.filter((block) => block.type === type);
const text = (message) => kind(message, "text").map((block) => block.text).join("");

await run({
  text: async (prompt) => text(await ask([user(prompt)])),
  stream: async (prompt) =>
    (await collect(client.messages.stream(body([user(prompt)]))))
      .filter((event) => event.delta?.type === "text_delta")
      .map((event) => event.delta.text),
  second_turn: async (first, second) => {
    const before = await ask([user(first)], thinks);
    return text(await ask([user(first), { role: "assistant", content: before.content }, user(second)], thinks));
  },
  tool_loop: async (prompt) => {
    const inputSchema = z.object({ a: z.number(), b: z.number() });
    const run = ({ a, b }) => String(a + b);
    const add = betaZodTool({ name: "add", description: "Add two numbers.", inputSchema, run });
    return text(await client.beta.messages.toolRunner(body([user(prompt)], { tools: [add], ...thinks })));
  },
  schema: async (prompt) => {
    const format = zodOutputFormat(z.object({ name: z.string(), age: z.number() }));
    const said = await client.messages.parse(body([user(prompt)], { output_config: { format } }));
    return JSON.stringify(said.parsed_output);
  },
  thinking: async (prompt) => kind(await ask([user(prompt)], thinks), "thinking")[0].thinking,
  effort: async (prompt) =>
    text(await ask([user(prompt)], { ...thinks, output_config: { effort: "low" } })),
  errors: async (prompt) => text(await ask([user(prompt)])),
  image: async (prompt) => {
    const source = { type: "base64", media_type: "image/png", data: image.toString("base64") };
    return text(await ask([user([{ type: "image", source }, { type: "text", text: prompt }])]));
  },
});
