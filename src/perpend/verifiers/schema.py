"""Validates JSON against a schema; feedback names the paths that don't fit. Needs the extra `schema`."""

from perpend.verifiers.contract import verifiers
from perpend.verifiers.json_answer import BadJSON, parse_json_answer
from perpend.verifiers.worker_pool import WorkerVerifier


class Schema(WorkerVerifier):
    """The gold is a JSON schema. An answer may stand in a fence of Markdown."""

    module = "perpend.verifiers.schema_errors"
    extra = "schema"
    timeout_feedback = "checking the answer against the schema took too long"

    async def same(self, first: str, second: str) -> bool:
        try:
            return parse_json_answer(first) == parse_json_answer(second)
        except BadJSON:
            return first.strip() == second.strip()


verifiers.register("schema")(Schema)
