"""A request's body as it goes out: what a wire's reference fixes is typed, what only data or a client names isn't.

Objects of a body are TypedDicts, items of its lists (messages, parts of content, tools) Structs. Three things have no
type, since no code knows their names:

- what asks for thinking: rows of providers and families name each field by its path, `thinking.budget_tokens`;
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
"""What is encoded: a wire's typed fields, and those without a type beside them."""
ThinkingParams: TypeAlias = JSONObject
"""What asks for thinking, by the path of its field: a dot goes one object down."""


def body_of(
    fixed: Mapping[str, object], sampling: Mapping[str, Any], thinking_params: ThinkingParams
) -> Body:
    """A wire's fields, with sampling and what asks for thinking. Objects in `fixed` may be changed."""
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
