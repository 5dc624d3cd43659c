// promptfoo, as a library on the configuration that its command reads.
import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import promptfoo from "promptfoo";
import { image, run } from "./harness.mjs";

const [provider] = load(readFileSync("configuration.yaml", "utf8")).providers;
const format = (schema) => ({ type: "json_schema", json_schema: { name: "person", strict: true, schema } });
const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};

async function ask(prompt, options = {}) {
  const providers = [{ ...provider, config: { ...provider.config, ...options } }];
  const done = await promptfoo.evaluate(
    { prompts: [typeof prompt === "string" ? prompt : JSON.stringify(prompt)], providers, tests: [{ vars: {} }] },
    { cache: false, showProgressBar: false },
  );
  const [result] = (await done.toEvaluateSummary()).results;
  if (result.error) throw new Error(result.error);
  return result.response.output;
}

const user = (content) => ({ role: "user", content });

await run({
  text: (prompt) => ask(prompt, { showThinking: false }),
  second_turn: async (first, second) => {
    const said = await ask(first, { showThinking: false });
    return ask([user(first), { role: "assistant", content: said }, user(second)]);
  },
  schema: async (prompt) =>
    JSON.stringify(await ask(prompt, { response_format: format(person), showThinking: false })),
  thinking: (prompt) => ask(prompt),
  effort: (prompt) => ask(prompt, { passthrough: { reasoning_effort: "low" } }),
  errors: (prompt) => ask(prompt),
  image: (prompt) => {
    const url = `data:image/png;base64,${image.toString("base64")}`;
    return ask([user([{ type: "text", text: prompt }, { type: "image_url", image_url: { url } }])]);
  },
});
