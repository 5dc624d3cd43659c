// Runs a client's cells in one process: a line of JSON for each, with what the client shows or how it failed.
import { readFileSync } from "node:fs";

const asked = JSON.parse(process.env.MATRIX_PROMPTS);
export const image = readFileSync(process.env.MATRIX_IMAGE);

export async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

export async function run(cells) {
  for (const [name, prompts] of Object.entries(asked)) {
    const cell = cells[name.replace(" ", "_")];
    let said;
    try {
      const value = cell && (await cell(...prompts));
      said = !cell ? { missing: true } : Array.isArray(value) ? { pieces: value } : { text: String(value) };
    } catch (error) {
      said = { error: `${error.name}: ${error.message}` };
    }
    console.log(JSON.stringify({ cell: name, said }));
  }
  process.exit(0);
}
