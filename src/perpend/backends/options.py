"""`provider_options`: fields that a client passes through to a vendor, by the name of a provider or of a wire.

They are merged into a request's body last. They may add fields and change none: budgets and accounts depend on what
Perpend sets. Other names of the same fields are refused too, at any depth.
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
"""Fields that budgets and accounts depend on."""


def with_options(body: Body, call: Call, provider: Provider) -> Body:
    """Adds the client's options for this provider to `body`. Raises BadRequest naming a field that Perpend sets."""
    if call.options:
        for name in dict.fromkeys((provider.wire, provider.name)):
            _merge(body, call.options.get(name, {}), f"provider_options.{name}")
    return body


def check_options(options: dict[str, JSONObject]) -> None:
    """Raises BadRequest naming a field that budgets depend on."""
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
    hint = "options can add fields and change none: use the request's own fields"
    return BadRequest(f"{path} is set by Perpend itself", hint=hint, field=path)
