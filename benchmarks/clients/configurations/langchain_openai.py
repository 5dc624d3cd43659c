from langchain_openai import ChatOpenAI

url = "http://127.0.0.1:8080/v1"
model = ChatOpenAI(model="my-model", base_url=url, api_key="my-key", output_version="responses/v1")
LOW = {"reasoning": {"effort": "low", "summary": "auto"}}
