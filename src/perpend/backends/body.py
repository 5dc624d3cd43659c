"""Builds request bodies: fields that a wire's reference defines are typed, fields that data or clients name aren't.

Objects of a body are TypedDicts, items of its lists (messages, parts of content, tools) Structs. Three things are
untyped, since no code knows their names:

- thinking parameters: rows of providers and families name each by its path, `thinking.budget_tokens`;
- sampling and limits, for which families and providers have names of their own;
- a client's `provider_options`, which are sent through as they are (`options.with_options`).

All three may add to any object of a body, so objects stay dicts until they are encoded. Nothing reaches into a list:
its items are Structs, which are built and encoded faster.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

JSONObject: TypeAlias = dict[str, Any]
"""Of any shape: a JSON schema, an item that goes back to its vendor as it came, a recorded request."""
Body: TypeAlias = JSONObject
"""What is encoded: a wire's typed fields, and untyped ones."""
ThinkingParams: TypeAlias = JSONObject
"""Fields that ask for thinking, by path: a dot goes one object down."""


def body_of(
    fixed: Mapping[str, object], sampling: Mapping[str, Any], thinking_params: ThinkingParams
) -> Body:
    """Merges a wire's fields with sampling and thinking parameters. Objects in `fixed` may be changed."""
    body = {**fixed, **sampling}
    for path, value in thinking_params.items():
        if "." in path:
            _put(body, path, value)
        else:
            body[path] = value
    return body


def _put(body: Body, path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value
