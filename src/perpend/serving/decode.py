"""JSON into a typed struct in one pass; what doesn't fit becomes a BadRequest that names the field.

The slow path (a wrong body) reads the struct's own type for the nearest valid field or value,
so no list of names is kept beside the struct.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from perpend.errors import BadRequest
from perpend.registry import nearest

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_INVALID = re.compile(r"^Invalid enum value '?(?P<value>.*?)'?$", re.DOTALL)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as the decoder's type. Raises BadRequest naming the field, such as `messages[2].content`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error), decoder.type) from None
    except UnicodeError:
        raise BadRequest("the body isn't UTF-8", hint="encode the JSON body as UTF-8") from None
    except RecursionError:
        raise BadRequest("the body is nested too deep", hint="flatten the JSON body") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body isn't valid JSON: {error}", hint="send one JSON object") from None


def _explain(text: str, root: Any) -> BadRequest:
    match = _AT.match(text)
    what, path = (match["what"], match["path"] or "") if match else (text, "")
    if unknown := _UNKNOWN.search(what):
        name = unknown["name"]
        known = _fields(_types_at(inspect.type_info(root), path))
        return BadRequest(f"unknown field {name!r}", hint=_suggest(name, known), field=_join(path, name))
    if missing := _MISSING.search(what):
        field = _join(path, missing["name"])
        return BadRequest(f"{field} is missing", hint=f"add {field}", field=field)
    where = path or "the body"
    if invalid := _INVALID.match(what):
        values = _values(_types_at(inspect.type_info(root), path))
        message = f"{where}: {invalid['value'][:80]!r} isn't one of its values"
        return BadRequest(message, hint=_suggest(invalid["value"], values), field=path or None)
    hint = "its type is in /openapi.json"
    return BadRequest(f"{where}: {what[:1].lower()}{what[1:]}", hint=hint, field=path or None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _suggest(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else f"valid here: {', '.join(known)}"


def _types_at(root: inspect.Type, path: str) -> list[inspect.Type]:
    """The types that a path of msgspec's (`messages[0].content[...]`) leads to, unions taken apart."""
    types = _flat([root])
    for step in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        inner: list[inspect.Type] = []
        for one in types:
            if step.startswith("["):
                if isinstance(one, inspect.ListType | inspect.SetType):
                    inner.append(one.item_type)
                elif isinstance(one, inspect.DictType):
                    inner.append(one.value_type)
            elif isinstance(one, inspect.StructType):
                inner += [field.type for field in one.fields if field.encode_name == step]
        types = _flat(inner)
    return types


def _flat(types: Iterable[inspect.Type]) -> list[inspect.Type]:
    out: list[inspect.Type] = []
    for one in types:
        if isinstance(one, inspect.UnionType):
            out += _flat(one.types)
        elif isinstance(one, inspect.Metadata):
            out += _flat([one.type])
        else:
            out.append(one)
    return out


def _fields(types: list[inspect.Type]) -> list[str]:
    return [field.encode_name for one in types if isinstance(one, inspect.StructType) for field in one.fields]


def _values(types: list[inspect.Type]) -> list[str]:
    return [str(value) for one in types if isinstance(one, inspect.LiteralType) for value in one.values]
