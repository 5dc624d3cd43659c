"""Search over steps of thoughts: each kept one goes on in several ways, and the best by the verifier are kept.

Snell et al. (arXiv:2408.03314). `diverse`: DVTS, whose kept thoughts have descendants of their own and don't compete
(Beeching, Tunstall & Rush, "Scaling test-time compute with open models", 2024).
"""

from typing import Annotated

from msgspec import Meta

from perpend.strategies.contract import Session, draws, strategies
from perpend.strategies.thoughts import Search, ThoughtNode
from perpend.types import Candidate


@strategies.register("beam")
@draws("width", least=1)
async def beam(
    session: Session,
    *,
    width: Annotated[int, Meta(ge=1, le=64)] = 2,
    expand: Annotated[int, Meta(ge=2, le=64)] = 2,
    depth: Annotated[int, Meta(ge=1, le=1000)] = 32,
    step: Annotated[str, Meta(max_length=64)] = "\n\n",
    step_tokens: Annotated[int, Meta(ge=1, le=100_000)] = 64,
    diverse: bool = False,
) -> Candidate:
    """`width`: thoughts kept. `expand`: ways in which each goes on. `depth`: steps at most.

    `step`: the text that ends one, or `step_tokens` where it doesn't come.
    """
    session.verifier.require("beam")
    search = Search(session, step=step, step_tokens=step_tokens)
    kept = [ThoughtNode(tree=number if diverse else 0) for number in range(width)]
    for _ in range(depth):
        ended = [thought for thought in kept if thought.ended]
        grown = await search.grow([thought for thought in kept if not thought.ended], expand)
        if not grown:
            break
        kept = best_of(grown + ended, width, diverse=diverse)
    return await search.finish(kept)


def best_of(thoughts: list[ThoughtNode], width: int, *, diverse: bool) -> list[ThoughtNode]:
    """The best `width`, the best first; or the best of each tree."""
    ranked = sorted(thoughts, key=lambda thought: -thought.score)
    if not diverse:
        return ranked[:width]
    firsts: dict[int, ThoughtNode] = {}
    for thought in ranked:
        firsts.setdefault(thought.tree, thought)
    return list(firsts.values())
