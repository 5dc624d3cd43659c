"""Tree of Thoughts (Yao et al., arXiv:2305.10601): next steps are proposed, evaluated and pruned, level by level or
into the depth; or Monte Carlo tree search, where upper confidence bounds say which thought goes on.
"""

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from perpend.strategies.contract import Session, draws, strategies
from perpend.strategies.thoughts import Search, ThoughtNode
from perpend.strategies.uct import Node, most_visited, select
from perpend.types import Candidate


class TreeShape(NamedTuple):
    """How large a tree may become."""

    breadth: int
    depth: int
    nodes: int


@strategies.register("tree")
@draws("breadth", least=2)
async def tree(
    session: Session,
    *,
    search: Literal["bfs", "dfs", "mcts"] = "bfs",
    breadth: Annotated[int, Meta(ge=1, le=64)] = 3,
    depth: Annotated[int, Meta(ge=1, le=1000)] = 8,
    nodes: Annotated[int, Meta(ge=1, le=100_000)] = 64,
    exploration: Annotated[float, Meta(ge=0, le=100)] = 1.4,
    step: Annotated[str, Meta(max_length=64)] = "\n\n",
    step_tokens: Annotated[int, Meta(ge=1, le=100_000)] = 64,
) -> Candidate:
    """`breadth`: next steps that are proposed for a thought, and thoughts that bfs keeps on each level.

    `depth`: steps of a thought, and `nodes`: steps in all, at most. `exploration`: of mcts; 0 trusts every rating.
    `step`: the text that ends one, or `step_tokens` where it doesn't come.
    """
    session.verifier.require("tree")
    found = Search(session, step=step, step_tokens=step_tokens)
    shape = TreeShape(breadth, depth, nodes)
    if search == "mcts":
        preferred = await _monte_carlo(found, shape, exploration)
    else:
        preferred = await (_breadth_first if search == "bfs" else _depth_first)(found, shape)
    ended = max((one for one in found.grown if one.ended), key=_standing, default=preferred)
    return await found.finish(sorted(dict.fromkeys((ended, preferred)), key=_standing, reverse=True))


async def _breadth_first(search: Search, shape: TreeShape) -> ThoughtNode:
    level = [ThoughtNode()]
    while level and len(search.grown) + len(level) * shape.breadth <= shape.nodes:
        grown = await search.grow(level, shape.breadth)
        level = _rising(grown, shape)[-shape.breadth :]
    return max(search.grown, key=_standing, default=ThoughtNode())


async def _depth_first(search: Search, shape: TreeShape) -> ThoughtNode:
    """Into the best thought first; from a dead end, back to the best one that was left out last."""
    open_ = [ThoughtNode()]
    while open_ and len(search.grown) + shape.breadth <= shape.nodes:
        grown = await search.grow([open_.pop()], shape.breadth)
        open_ += _rising(grown, shape)
        if search.over:
            break
    return max(search.grown, key=_standing, default=ThoughtNode())


async def _monte_carlo(search: Search, shape: TreeShape, exploration: float) -> ThoughtNode:
    root = Node(ThoughtNode())
    while not root.closed and len(search.grown) + shape.breadth <= shape.nodes:
        leaf = select(root, exploration)
        for node in leaf.add(await search.grow([leaf.state], shape.breadth)):
            node.back_up(node.state.score)
            if node.state.ended or node.state.depth >= shape.depth:
                node.close()
        if search.over:
            break
    return most_visited(root).state


def _rising(thoughts: list[ThoughtNode], shape: TreeShape) -> list[ThoughtNode]:
    """Those that may go on, the best last."""
    may = [thought for thought in thoughts if not thought.ended and thought.depth < shape.depth]
    return sorted(may, key=_standing)


def _standing(thought: ThoughtNode) -> tuple[float, bool, int]:
    """By rating; of equal ones, what came further."""
    return thought.score, thought.ended, thought.depth
