// OpenAI's SDK from npm: responses, and the tool runner of chat completions.
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { client, model } from "./configuration.mjs";
import { collect, image, run } from "./harness.mjs";

const ask = (input, options = {}) => client.responses.create({ model, input, ...options });
const addition = {
  type: "function",
  function: {
    name: "add",
    parameters: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } },
    parse: JSON.parse,
    function: ({ a, b }) => String(a + b),
  },
};

await run({
  text: async (prompt) => (await ask(prompt)).output_text,
  stream: async (prompt) =>
    (await collect(await ask(prompt, { stream: true })))
      .filter((event) => event.type === "response.output_text.delta")
      .map((event) => event.delta),
  second_turn: async (first, second) => {
    const before = await ask(first);
    return (await ask(second, { previous_response_id: before.id })).output_text;
  },
  tool_loop: async (prompt) => {
    const asked = { model, messages: [{ role: "user", content: prompt }], tools: [addition] };
    return client.chat.completions.runTools(asked).finalContent();
  },
  schema: async (prompt) => {
    const person = z.object({ name: z.string(), age: z.number() });
    const asked = { model, input: prompt, text: { format: zodTextFormat(person, "person") } };
    return JSON.stringify((await client.responses.parse(asked)).output_parsed);
  },
  thinking: async (prompt) => {
    const said = await ask(prompt, { reasoning: { summary: "auto" } });
    return JSON.stringify(said.output.filter((item) => item.type === "reasoning"));
  },
  effort: async (prompt) => (await ask(prompt, { reasoning: { effort: "low" } })).output_text,
  errors: async (prompt) => (await ask(prompt)).output_text,
  image: async (prompt) => {
    const image_url = `data:image/png;base64,${image.toString("base64")}`;
    const content = [
      { type: "input_text", text: prompt },
      { type: "input_image", image_url, detail: "auto" },
    ];
    return (await ask([{ role: "user", content }])).output_text;
  },
});
