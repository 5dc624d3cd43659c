"""Going on from a thought that was begun elsewhere, as if it were the model's own: what an answer owes to its thought
shows when the thought is changed (Lanham et al. 2023, "Measuring Faithfulness in Chain-of-Thought Reasoning").

With a budget the model thinks on from there; with none it answers at once.
"""

from perpend.errors import BadRequest
from perpend.strategies.contract import Session, strategies
from perpend.types import Candidate

_EMPTY = "\n"
"""A thought without words: the model answers as after one, and not in the way of those that don't think."""


@strategies.register("from_thought")
async def from_thought(session: Session, *, thought: str = "") -> Candidate:
    if not session.supports_prefix:  # told as somebody's words, a thought isn't the model's own any more
        raise BadRequest(
            "this model can't be given a thought as its own",
            hint="ask one behind raw completion, such as an embedded one, or a server's `raw_completion` wire",
            field="strategy",
        )
    return await session.sample(thought=thought or _EMPTY, shown=True)
