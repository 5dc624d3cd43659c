from llama_index.llms.openai_like import OpenAILike

options = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 32768}
model = OpenAILike(model="my-model", api_base="http://127.0.0.1:8080/v1", api_key="my-key", **options)
