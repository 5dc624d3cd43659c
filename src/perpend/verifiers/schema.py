"""JSON that keeps to a schema; the feedback names the path where it doesn't. Needs the extra `schema`."""

from perpend.verifiers.contract import verifiers
from perpend.verifiers.json_answer import BadJSON, read
from perpend.verifiers.worker_pool import WorkerVerifier


class Schema(WorkerVerifier):
    """The gold is a JSON schema. An answer may stand in a fence of Markdown."""

    module = "perpend.verifiers.schema_errors"
    extra = "schema"
    late = "checking the answer against the schema took too long"

    async def same(self, first: str, second: str) -> bool:
        try:
            return read(first) == read(second)
        except BadJSON:
            return first.strip() == second.strip()


verifiers.register("schema")(Schema)
