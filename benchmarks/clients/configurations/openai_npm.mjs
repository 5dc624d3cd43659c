import OpenAI from "openai";

export const model = "my-model";
export const client = new OpenAI({ baseURL: "http://127.0.0.1:8080/v1", apiKey: "my-key" });
