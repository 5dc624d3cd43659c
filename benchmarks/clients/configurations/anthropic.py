from anthropic import Anthropic

MODEL = "my-model"
client = Anthropic(base_url="http://127.0.0.1:8080", api_key="my-key")
