"""How extensions join, and how a wrong name is answered."""

import pytest

from perpend.errors import BadRequest
from perpend.registry import Registry, checked_options


def test_an_item_is_found_by_its_name() -> None:
    things: Registry[int] = Registry("thing")
    things.register("one")(1)
    assert things.get("one") == 1
    assert things.names() == ["one"]


def test_an_unknown_name_gets_the_nearest_and_the_field() -> None:
    things: Registry[int] = Registry("thing")
    things.register("refine")(1)
    with pytest.raises(BadRequest, match="did you mean 'refine'") as refused:
        things.get("refin", field="strategy")
    assert (refused.value.status, refused.value.field) == (400, "strategy")


def test_a_name_is_taken_once() -> None:
    things: Registry[int] = Registry("thing")
    things.register("one")(1)
    with pytest.raises(ValueError, match="registered twice"):
        things.register("one")(2)


def test_an_option_without_a_default_is_needed() -> None:
    def item(*, models: list[str], samples: int = 2) -> None: ...

    assert checked_options(item, {"models": ["a"]}, "strategy") == {"models": ["a"]}
    with pytest.raises(BadRequest, match="needs the option 'models'") as refused:
        checked_options(item, {"samples": 3}, "strategy")
    assert refused.value.field == "strategy.models"
