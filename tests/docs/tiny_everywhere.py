"""A config in which the tiny model answers under the names that the pages use."""

import json

NAMES = ("tiny", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "my-judge")


def tiny_everywhere(engine_url: str) -> str:
    """`perpend.toml`; all share the engine at `engine_url`, since starting one takes longer than an answer."""
    models = "".join(
        f'[models.{json.dumps(name)}]\nprovider = "shared"\nname = "tiny"\nfamily = "tiny"\ncontext = 1024\n'
        "price = { input = 0.05, output = 0.20 }\n"
        for name in NAMES
    )
    shared = f'[providers.shared]\nbase_url = "{engine_url}"\nwire = "llama_completion"\n'
    return f'[defaults]\nmodel = "tiny"\ncheap_model = "tiny"\n{models}{shared}'
