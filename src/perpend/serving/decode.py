"""JSON into a typed struct in one pass; what doesn't fit becomes a BadRequest that names the field.

A body with fields that its struct doesn't have takes a second, slower pass, which leaves them out and names them. What
is near to a wrong name or value is read from the struct's own type, so no list of names is kept beside it.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from perpend.errors import BadRequest
from perpend.registry import nearest
from perpend.serving.dialects.extension_fields import OWN_FIELD_NAMES
from perpend.serving.fields import Ignored, misspelt_field

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `[^`]*`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_INVALID = re.compile(r"^Invalid enum value '?(?P<value>.*?)'?$", re.DOTALL)


def decode(decoder: msgspec.json.Decoder[T], body: bytes, ignored: Ignored) -> T:
    """The body as the decoder's type. Raises BadRequest naming the field, such as `messages[2].content`."""
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            if _UNKNOWN.search(str(error)) is None:
                raise
        known = _known(msgspec.json.decode(body), (_type(decoder.type),), "", ignored)
        return msgspec.convert(known, decoder.type)
    except msgspec.ValidationError as error:
        raise _explain(str(error), decoder.type) from None
    except UnicodeError:
        raise BadRequest("the body isn't UTF-8", hint="encode the JSON body as UTF-8") from None
    except RecursionError:
        raise BadRequest("the body is nested too deep", hint="flatten the JSON body") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body isn't valid JSON: {error}", hint="send one JSON object") from None


def _known(value: Any, types: tuple[inspect.Type, ...], path: str, ignored: Ignored) -> Any:
    """The value without the fields that its types don't have. Raises BadRequest for a misspelt one."""
    if isinstance(value, list):
        inner = _flat([one.item_type for one in types if isinstance(one, inspect.ListType)])
        items = cast("list[Any]", value)
        return [_known(each, inner, f"{path}[{at}]", ignored) for at, each in enumerate(items)]
    structs = tuple([one.cls for one in types if isinstance(one, inspect.StructType)])
    if not isinstance(value, dict) or not structs:
        return cast("Any", value)
    fields = _fields(structs)
    members = cast("dict[str, Any]", value)
    # Inside items and parts every client has fields of its own: one beside the field it's near to isn't a slip of it.
    likely = [field for field in fields if not path or field not in members]
    extensions = [field for field in OWN_FIELD_NAMES if field in fields] if not path else []
    kept: dict[str, Any] = {}
    for name, each in members.items():
        if name in fields:
            kept[name] = _known(each, fields[name], _join(path, name), ignored)
        elif near := misspelt_field(name, likely, extensions):
            hint = f"did you mean {near!r}?"
            raise BadRequest(f"unknown field {name[:80]!r}", hint=hint, field=_join(path, name[:80]))
        else:
            ignored.unknown(_join(path, name[:80]))
    return kept


@cache
def _fields(structs: tuple[type, ...]) -> dict[str, tuple[inspect.Type, ...]]:
    """The types of what these structs have, by name."""
    types: dict[str, tuple[inspect.Type, ...]] = {}
    for one in structs:
        for field in cast("inspect.StructType", _type(one)).fields:
            types[field.encode_name] = (*types.get(field.encode_name, ()), *_flat([field.type]))
    return types


@cache
def _type(root: Any) -> inspect.Type:
    return inspect.type_info(root)


def _explain(text: str, root: Any) -> BadRequest:
    match = _AT.match(text)
    what, path = (match["what"], match["path"] or "") if match else (text, "")
    if missing := _MISSING.search(what):
        field = _join(path, missing["name"])
        return BadRequest(f"{field} is missing", hint=f"add {field}", field=field)
    where = path or "the body"
    if invalid := _INVALID.match(what):
        values = _values(_types_at(_type(root), path))
        message = f"{where}: {invalid['value'][:80]!r} isn't one of its values"
        return BadRequest(message, hint=_suggest(invalid["value"], values), field=path or None)
    hint = "its type is in /openapi.json"
    return BadRequest(f"{where}: {what[:1].lower()}{what[1:]}", hint=hint, field=path or None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _suggest(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else f"valid here: {', '.join(known)}"


def _types_at(root: inspect.Type, path: str) -> tuple[inspect.Type, ...]:
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


def _flat(types: Iterable[inspect.Type]) -> tuple[inspect.Type, ...]:
    out: list[inspect.Type] = []
    for one in types:
        if isinstance(one, inspect.UnionType):
            out += _flat(one.types)
        elif isinstance(one, inspect.Metadata):
            out += _flat([one.type])
        else:
            out.append(one)
    return tuple(out)


def _values(types: Iterable[inspect.Type]) -> list[str]:
    return [str(value) for one in types if isinstance(one, inspect.LiteralType) for value in one.values]
