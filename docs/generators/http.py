"""The gateway's routes and their objects, from its own OpenAPI document."""

import json
from collections.abc import Iterator
from typing import Any, cast

from generators.markdown import NOTE, code, prose, table

from perpend.serving.openapi import document

OBJECTS = "http-objects.md"
JSON = "application/json"


def endpoints() -> str:
    paths: dict[str, dict[str, Any]] = document()["paths"]
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, held in paths.items()
        for method, operation in _of(held)
    ]
    intro = (
        "The gateway says the same of itself at `/openapi.json`. Fields are explained in\n"
        "[the guide](../guides/gateway.md); every object has a table in [Objects](http-objects.md).\n"
    )
    rows = [(f"[`{name}`](#{_anchor(name)})", operation["summary"]) for name, operation in operations]
    sections = "\n".join(_section(name, operation) for name, operation in operations)
    return f"# HTTP\n\n{NOTE}{intro}\n{table(('route', ''), rows)}\n{sections}"


def _of(held: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(method, operation) for method, operation in held.items() if method != "parameters"]


def _anchor(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum() or char in " -_").replace(" ", "-")


def _section(name: str, operation: dict[str, Any]) -> str:
    parts = [f"## {name}\n", operation["summary"] + "\n"]
    given = [(code(one["name"]), one["in"]) for one in operation.get("parameters", ())]
    if body := operation.get("requestBody"):
        given.append(("body", _type(body["content"][JSON]["schema"])))
    if given:
        parts.append(table(("takes", ""), given))
    answers = [
        (status, answer["description"], _content(answer)) for status, answer in operation["responses"].items()
    ]
    parts.append(table(("status", "", "body"), answers))
    return "\n".join(parts)


def _content(answer: dict[str, Any]) -> str:
    return "; ".join(
        _type(held["schema"]) + ("" if kind == JSON else f" as `{kind}`")
        for kind, held in answer["content"].items()
    )


def objects() -> str:
    """Every schema."""
    schemas: dict[str, Any] = document()["components"]["schemas"]
    intro = (
        "The JSON that the routes take and give. Requests: [ChatRequest](#chatrequest),\n"
        "[MessagesRequest](#messagesrequest), [ResponsesRequest](#responsesrequest). What every answer says\n"
        "of itself: [PerpendReport](#perpendreport).\n"
    )
    return f"# Objects\n\n{NOTE}{intro}\n" + "\n".join(
        _object(name, schema) for name, schema in sorted(schemas.items())
    )


def _object(name: str, schema: dict[str, Any]) -> str:
    doc = prose(schema.get("description"))
    needed = schema.get("required", ())
    rows = [
        (code(field), _type(shape), "required" if field in needed else _default(shape))
        for field, shape in schema["properties"].items()
    ]
    told = f"{doc}\n\n" if doc else ""
    return f"## {name}\n\n{told}{table(('field', 'type', 'default'), rows)}"


def _default(shape: dict[str, Any]) -> str:
    value = shape.get("default")
    return "" if value in (None, [], {}) else code(json.dumps(value, ensure_ascii=False))


def _type(shape: dict[str, Any]) -> str:
    """In words; null, which every optional field may be, is left out."""
    if ref := shape.get("$ref"):
        name = ref.rpartition("/")[2]
        return f"[{name}]({OBJECTS}#{name.lower()})"
    if words := shape.get("enum"):
        return code(*words)
    if some := shape.get("anyOf"):
        return " or ".join(dict.fromkeys(_type(one) for one in some if one.get("type") != "null"))
    kind = shape.get("type")
    if kind == "array":
        return f"list of {_type(shape['items'])}" if shape.get("items") else "list"
    inner: Any = shape.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict):
        return f"object of {_type(cast('dict[str, Any]', inner))}"
    words = {"string": "text", "boolean": "`true` `false`", None: "any"}
    return words.get(kind, str(kind)) + "".join(_range(shape))


def _range(shape: dict[str, Any]) -> Iterator[str]:
    if "exclusiveMinimum" in shape:
        yield f" above {shape['exclusiveMinimum']:g}"
    elif "minimum" in shape and abs(shape["minimum"]) < 1 << 53:
        yield f" from {shape['minimum']:,}"
    if "maximum" in shape and abs(shape["maximum"]) < 1 << 53:
        yield f" to {shape['maximum']:,}"
