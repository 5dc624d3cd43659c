"""Decode JSON into a typed struct in one pass; what doesn't fit is a BadRequest that names the field.

A body with unknown fields takes a second, slower pass, which drops and names them. Suggestions for a wrong name or
value are read from the struct's type, so that no list of names is kept beside it.
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

_AT = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
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
        known = _known_fields(msgspec.json.decode(body), (_type(decoder.type),), "", ignored)
        return msgspec.convert(known, decoder.type)
    except msgspec.ValidationError as error:
        raise _explain(str(error), decoder.type) from None
    except UnicodeError:
        raise BadRequest("the body isn't UTF-8", hint="encode the JSON body as UTF-8") from None
    except RecursionError:
        raise BadRequest("the body is nested too deep", hint="flatten the JSON body") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body isn't valid JSON: {error}", hint="send one JSON object") from None


def _known_fields(value: Any, types: tuple[inspect.Type, ...], path: str, ignored: Ignored) -> Any:
    """The value without the fields that its types don't have. Raises BadRequest for a misspelt one."""
    if isinstance(value, list):
        inner = _flat([type_.item_type for type_ in types if isinstance(type_, inspect.ListType)])
        items = cast("list[Any]", value)
        return [_known_fields(item, inner, f"{path}[{at}]", ignored) for at, item in enumerate(items)]
    structs = tuple([type_.cls for type_ in types if isinstance(type_, inspect.StructType)])
    if not isinstance(value, dict) or not structs:
        return cast("Any", value)
    fields = _fields(structs)
    members = cast("dict[str, Any]", value)
    # In items and parts clients send fields of their own: a name beside the field that it resembles is no slip.
    candidates = [field for field in fields if not path or field not in members]
    extensions = [field for field in OWN_FIELD_NAMES if field in fields] if not path else []
    known: dict[str, Any] = {}
    for name, member in members.items():
        if name in fields:
            known[name] = _known_fields(member, fields[name], _join(path, name), ignored)
        elif field := misspelt_field(name, candidates, extensions):
            hint = f"did you mean {field!r}?"
            raise BadRequest(f"unknown field {name[:80]!r}", hint=hint, field=_join(path, name[:80]))
        else:
            ignored.add_unknown(_join(path, name[:80]))
    return known


@cache
def _fields(structs: tuple[type, ...]) -> dict[str, tuple[inspect.Type, ...]]:
    """The types of the structs' fields, by name."""
    types: dict[str, tuple[inspect.Type, ...]] = {}
    for struct in structs:
        for field in cast("inspect.StructType", _type(struct)).fields:
            types[field.encode_name] = (*types.get(field.encode_name, ()), *_flat([field.type]))
    return types


@cache
def _type(root: Any) -> inspect.Type:
    return inspect.type_info(root)


def _explain(text: str, root: Any) -> BadRequest:
    match = _AT.match(text)
    problem, path = (match["problem"], match["path"] or "") if match else (text, "")
    if missing := _MISSING.search(problem):
        field = _join(path, missing["name"])
        return BadRequest(f"{field} is missing", hint=f"add {field}", field=field)
    subject = path or "the body"
    if invalid := _INVALID.match(problem):
        values = _values(_types_at(_type(root), path))
        message = f"{subject}: {invalid['value'][:80]!r} isn't one of its values"
        return BadRequest(message, hint=_suggest(invalid["value"], values), field=path or None)
    hint = "see its type in /openapi.json"
    return BadRequest(f"{subject}: {problem[:1].lower()}{problem[1:]}", hint=hint, field=path or None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _suggest(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else f"valid here: {', '.join(known)}"


def _types_at(root: inspect.Type, path: str) -> tuple[inspect.Type, ...]:
    """The types at a path of msgspec's, such as `messages[0].content[...]`, with unions split."""
    types = _flat([root])
    for step in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        inner: list[inspect.Type] = []
        for type_ in types:
            if step.startswith("["):
                if isinstance(type_, inspect.ListType | inspect.SetType):
                    inner.append(type_.item_type)
                elif isinstance(type_, inspect.DictType):
                    inner.append(type_.value_type)
            elif isinstance(type_, inspect.StructType):
                inner += [field.type for field in type_.fields if field.encode_name == step]
        types = _flat(inner)
    return types


def _flat(types: Iterable[inspect.Type]) -> tuple[inspect.Type, ...]:
    """The types with unions split and metadata removed."""
    flat: list[inspect.Type] = []
    for type_ in types:
        if isinstance(type_, inspect.UnionType):
            flat += _flat(type_.types)
        elif isinstance(type_, inspect.Metadata):
            flat += _flat([type_.type])
        else:
            flat.append(type_)
    return tuple(flat)


def _values(types: Iterable[inspect.Type]) -> list[str]:
    return [str(value) for type_ in types if isinstance(type_, inspect.LiteralType) for value in type_.values]
