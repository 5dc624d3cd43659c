"""The tree by itself: against a bandit whose best arm is known, and a game whose best path is."""

import random

import pytest

from perpend.strategies.uct import Node, most_visited, select

SEEDS = range(20)


def test_an_untried_child_is_tried_first() -> None:
    root = Node("root")
    one, two = root.add(["one", "two"])
    one.back_up(1.0)
    assert select(root, 1.4) is two


def test_ratings_are_told_to_all_above() -> None:
    root = Node(0)
    (child,) = root.add([1])
    (leaf,) = child.add([2])
    leaf.back_up(0.5)
    child.back_up(1.0)
    assert (leaf.mean, child.mean, root.mean) == (0.5, 0.75, 0.75)
    assert (leaf.visits, child.visits, root.visits) == (1, 2, 2)


def test_without_exploration_the_best_mean_goes_on_and_with_much_the_least_tried() -> None:
    root = Node("root")
    good, bad = root.add(["good", "bad"])
    for _ in range(9):
        good.back_up(0.9)
    bad.back_up(0.5)
    assert select(root, 0.0) is good
    assert select(root, 10.0) is bad


def test_what_has_only_closed_children_is_closed() -> None:
    root = Node("root")
    left, right = root.add(["left", "right"])
    left.close()
    assert select(root, 1.4) is right
    right.add([])
    assert root.closed


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_arm_of_a_bandit_gets_most_of_the_pulls(seed: int) -> None:
    """UCB1's regret is logarithmic: of 2000 pulls, at most 8 ln(n) / gap² + 1 + π²/3 go to each worse arm."""
    chances = {"a": 0.2, "b": 0.5, "c": 0.8}
    drawn = random.Random(seed)
    root = Node("root")
    root.add(chances)
    for _ in range(2000):
        arm = select(root, 2**0.5)
        arm.back_up(float(drawn.random() < chances[arm.state]))
    assert most_visited(root).state == "c"
    pulls = {arm.state: arm.visits for arm in root.children}
    assert pulls["a"] < 174
    assert pulls["b"] < 680


@pytest.mark.parametrize("seed", SEEDS)
def test_a_game_is_won_before_half_of_it_is_seen(seed: int) -> None:
    """Of 256 paths of eight moves one is right, and each right move in a row is worth an eighth."""
    target = tuple(random.Random(seed).choices("lr", k=8))

    def worth(path: tuple[str, ...]) -> float:
        right = next((n for n, (a, b) in enumerate(zip(path, target, strict=False)) if a != b), len(path))
        return right / 8

    root: Node[tuple[str, ...]] = Node(())
    seen = 0
    while not root.closed and seen < 255:
        leaf = select(root, 0.5)
        for child in leaf.add([(*leaf.state, move) for move in "lr"]):
            seen += 1
            child.back_up(worth(child.state))
            if child.state == target:
                return
            if len(child.state) == 8:
                child.close()
    pytest.fail(f"{seen} of 510 states seen")


def test_a_tree_that_is_seen_whole_is_closed() -> None:
    root: Node[str] = Node("")
    leaves = 0
    while not root.closed:
        leaf = select(root, 1.4)
        for child in leaf.add([leaf.state + letter for letter in "ab"]):
            child.back_up(0.5)
            if len(child.state) == 4:
                leaves += 1
                child.close()
    assert leaves == 16
