import instructor
from openai import OpenAI

MODEL = "my-model"
client = instructor.from_openai(OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="my-key"))
