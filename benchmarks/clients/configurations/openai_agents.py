from agents import OpenAIResponsesModel
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url="http://127.0.0.1:8080/v1", api_key="my-key")
model = OpenAIResponsesModel("my-model", openai_client=client)
