"""The options of all commands together: one thing has one name, which is that of the request's field."""

from collections.abc import Iterator

import pytest
from cyclopts import App

from perpend.cli.main import app
from perpend.cli.options import milliseconds
from perpend.errors import BadRequest, NotFound
from perpend.serving.dialects.extension_fields import OWN_FIELD_NAMES

CALLED_OTHERWISE = {
    "deadline_ms": "--deadline",
    "progress": "",
    "router": "",
    "cache": "",
    "service_class": "",
}
"""A deadline says its unit; the rest are a program's matter."""
DIALECTS_OWN = {"provider_options"}


def commands(group: App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    for name, inner in group.resolved_commands().items():
        if not name.startswith("-"):
            yield from commands(inner, (*words, name))
    if group.default_command:
        yield " ".join(words), group


def options(command: App) -> dict[str, set[str]]:
    return {argument.name: set(argument.names) for argument in command.assemble_argument_collection()}


COMMANDS = dict(commands(app))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_prints_json(words: str) -> None:
    assert "--json" in options(COMMANDS[words])


@pytest.mark.parametrize("words", COMMANDS)
def test_every_number_of_a_command_has_a_range(words: str) -> None:
    """What lies outside is wrong use, which is told before anything is read or asked."""
    for argument in COMMANDS[words].assemble_argument_collection():
        kind, option = str(argument.hint), argument.name
        wrong = ["9" * 20, "1.5", "x", *([] if option == "--seed" else ["-1"])] if "int" in kind else []
        wrong += ["nan", "inf", "-1"] if "float" in kind or "Decimal" in kind else []
        for value in wrong if option.startswith("--") else ():
            with pytest.raises(BadRequest, match=rf"^--[\w-]+ ('{value}' isn't|must be)"):
                parsed(words, f"{option}={value}")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_config_that_isnt_there_is_wrong_use(words: str) -> None:
    if "--config" in all_names(COMMANDS[words]):
        with pytest.raises(NotFound, match="no config file at nowhere"):
            parsed(words, "--config=nowhere.toml")


def parsed(words: str, option: str) -> None:
    """With something in the place of all that has no name."""
    collection = COMMANDS[words].assemble_argument_collection()
    needed = [
        f"{name}={__file__}" if (name := one.name).startswith("--") else __file__
        for one in collection
        if one.required
    ]
    app.parse_args([*words.split(), *needed, option], exit_on_error=False)


def test_what_may_be_thought_is_one_option_everywhere() -> None:
    saying = {words for words, command in COMMANDS.items() if "--budget" in all_names(command)}
    assert saying == {"ask", "launch", "keys create", "calibrate", "eval run", "eval audit", "eval decide"}
    assert all("--max-thinking-tokens" in all_names(COMMANDS[words]) for words in saying)


def test_ask_takes_the_fields_of_a_request_by_their_names() -> None:
    for field in {"reasoning_effort", *OWN_FIELD_NAMES} - DIALECTS_OWN:
        option = CALLED_OTHERWISE.get(field, f"--{field.replace('_', '-')}")
        assert not option or option in all_names(COMMANDS["ask"]), field


def all_names(command: App) -> set[str]:
    return set[str]().union(*options(command).values())


@pytest.mark.parametrize("text", ["inf", "nan", "-1s", "0", "9" * 400, "1e300s"])
def test_a_deadline_without_sense_or_bound_is_none(text: str) -> None:
    with pytest.raises(BadRequest):
        milliseconds(text)
