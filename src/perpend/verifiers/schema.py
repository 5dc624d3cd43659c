"""JSON that keeps to a schema; the feedback names the path where it doesn't. Needs the extra `schema`."""

import re
from importlib import import_module
from typing import Any

import msgspec

from perpend.errors import BadRequest, ConfigError
from perpend.extras import install
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers

_FENCED = re.compile(r"```(?:json)?\s*\n(?P<json>.*?)\n\s*```", re.DOTALL)
_SHOWN = 3


class Schema(Verifier):
    """The gold is a JSON schema. An answer may stand in a fence of Markdown."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        schema = _validator(task.right)
        try:
            value = _read(candidate.answer)
        except msgspec.DecodeError as error:
            return Verdict(0.0, False, f"the answer isn't JSON: {error}")
        errors = sorted(schema.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
        if not errors:
            return PASSED
        told = [f"{error.json_path}: {error.message}" for error in errors[:_SHOWN]]
        more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
        return Verdict(0.0, False, "; ".join(told) + more)

    async def same(self, first: str, second: str) -> bool:
        try:
            return _read(first) == _read(second)
        except msgspec.DecodeError:
            return first.strip() == second.strip()


def _read(answer: str) -> Any:
    fenced = _FENCED.search(answer)
    return msgspec.json.decode((fenced["json"] if fenced else answer).encode(errors="replace"))


def _validator(gold: str) -> Any:
    try:
        jsonschema: Any = import_module("jsonschema")
    except ImportError:
        raise ConfigError("jsonschema isn't installed", hint=install("perpend[schema]")) from None
    try:
        schema = msgspec.json.decode(gold, type=dict[str, Any] | bool)
        kind = jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
    except (msgspec.DecodeError, jsonschema.SchemaError) as error:
        message = getattr(error, "message", str(error))
        raise BadRequest(f"the gold isn't a JSON schema: {message}", field="verifier.gold") from None
    return kind(schema)


verifiers.register("schema")(Schema)
