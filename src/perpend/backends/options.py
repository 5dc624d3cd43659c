"""What a client sends through to a vendor: `provider_options`, by the name of a provider or of a wire.

They are merged into a request's body last. They add to it, and change nothing that is there: what Perpend sets, it
also counts and keeps. That holds for other names of the same things too, wherever they stand.
"""

from perpend.backends.body import Body, JSONObject
from perpend.backends.contract import Call
from perpend.errors import BadRequest
from perpend.providers.provider import Provider

_RESERVED = frozenset(
    (
        *("model", "messages", "input", "prompt", "contents", "stream", "background"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens"),
        *("n_predict", "num_predict", "n", "best_of", "candidateCount"),
        *("thinking", "thinking_budget", "thinking_token_budget", "max_thinking_tokens", "thinkingConfig"),
        *("enable_thinking", "think", "reasoning", "reasoning_effort", "reasoning_budget_tokens"),
    )
)
"""What budgets are kept by."""


def with_options(body: Body, call: Call, provider: Provider) -> Body:
    """`body` with what the client sends through to this provider. Raises BadRequest naming a field that isn't its."""
    if call.options:
        for name in dict.fromkeys((provider.wire, provider.name)):
            _merge(body, call.options.get(name, {}), f"provider_options.{name}")
    return body


def check_options(options: dict[str, JSONObject]) -> None:
    """Raises BadRequest naming a field that budgets are kept by."""
    for name, fields in options.items():
        _check(fields, f"provider_options.{name}")


def _check(fields: JSONObject, path: str) -> None:
    for name, value in fields.items():
        if name in _RESERVED:
            raise _set_by_perpend(f"{path}.{name}")
        if isinstance(value, dict):
            _check(value, f"{path}.{name}")  # pyright: ignore[reportUnknownArgumentType] - it's JSON


def _merge(body: Body, fields: JSONObject, path: str) -> None:
    for name, value in fields.items():
        present = body.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value, f"{path}.{name}")  # pyright: ignore[reportUnknownArgumentType] - it's JSON
        elif name in body:
            raise _set_by_perpend(f"{path}.{name}")
        else:
            body[name] = value


def _set_by_perpend(path: str) -> BadRequest:
    hint = "options add to what is sent, and change nothing of it: say it by the request's own fields"
    return BadRequest(f"{path} is set by Perpend itself", hint=hint, field=path)
