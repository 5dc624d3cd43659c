MODEL = {
    "model": "openai/my-model",
    "api_base": "http://127.0.0.1:8080/v1",
    "api_key": "my-key",
}
