from langchain_anthropic import ChatAnthropic

model = ChatAnthropic(model="my-model", base_url="http://127.0.0.1:8080", api_key="my-key", max_tokens=8192)
LOW = {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}
