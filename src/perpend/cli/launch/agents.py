"""The agents that `perpend launch` knows: rows of `agents.toml`, and how an agent is configured for a gateway."""

import json
import os
import re
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
from msgspec import Struct, field

from perpend.errors import BadRequest, ConfigError
from perpend.registry import choices_hint

_FIELD = re.compile(r"\{(?P<name>\w+)(?::(?P<word>\w+))?\}")


class Agent(Struct, frozen=True, forbid_unknown_fields=True):
    """A row; see the head of the file."""

    title: str
    command: str
    get: str
    checked: str
    prompt_tokens: int
    environment: dict[str, str]
    arguments: list[list[str]] = field(default_factory=list[list[str]])
    files: dict[str, str] = field(default_factory=dict[str, str])

    def executable(self) -> str:
        """Its path. Raises ConfigError saying how to get it."""
        found = shutil.which(self.command)
        if found is None:
            raise ConfigError(f"{self.title} isn't installed: there is no `{self.command}`", hint=self.get)
        return found


class AgentSettings(Struct, frozen=True):
    """An agent's settings; None where one isn't known."""

    url: str
    """Without `/v1`."""
    key: str
    model: str
    context: int | None = None
    """Tokens of the model's window."""
    effort: str | None = None
    max_thinking_tokens: int | None = None

    @property
    def output(self) -> int | None:
        """Output tokens that the agent may ask for: an eighth of the context, so that a small one has room for the
        prompt.
        """
        return None if self.context is None else self.context // 8

    @property
    def how_much(self) -> str | None:
        """Empty where the run's key sets an amount of thinking, else None: templates test it."""
        return None if self.effort is None and self.max_thinking_tokens is None else ""


@cache
def agents() -> dict[str, Agent]:
    """By their names on the command line."""
    return msgspec.toml.decode(
        files("perpend.cli.launch").joinpath("agents.toml").read_bytes(), type=dict[str, Agent]
    )


def agent(name: str) -> Agent:
    """The agent of that name. Raises BadRequest, which names the nearest one."""
    found = agents().get(name)
    if found is None:
        raise BadRequest(f"no agent {name!r} is known", hint=choices_hint(name, agents()), field="--")
    return found


def configured(row: Agent, settings: AgentSettings, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Write the agent's files into `folder`, and return its arguments and environment. Raises OSError."""
    names = ("url", "key", "model", "context", "output", "effort", "how_much")
    known = {name: value for name in names if (value := getattr(settings, name)) is not None}
    values = {**{name: str(value) for name, value in known.items()}, "folder": str(folder)}
    variables = _fill_templates(row.environment, values)
    values["environment"] = json.dumps(variables)
    for name, text in _fill_templates(row.files, values).items():
        (folder / name).write_text(text)
    groups = [_fill_template("\n".join(group), values).split("\n") for group in row.arguments]
    arguments = [
        word
        for group, whole in zip(groups, row.arguments, strict=True)
        for word in group
        if len(group) == len(whole)
    ]
    return arguments, _environment(variables)


def _fill_templates(templates: dict[str, str], values: dict[str, str]) -> dict[str, str]:
    filled = {name: _fill_template(template, values) for name, template in templates.items()}
    return {name: text for name, text in filled.items() if text or not templates[name]}


def _fill_template(template: str, values: dict[str, str]) -> str:
    """Fill a template's lines, and drop those that need an unknown value. Values in quotes are escaped as in JSON."""
    lines: list[str] = []
    for line in template.split("\n"):
        if all(match["name"] in values for match in _FIELD.finditer(line)):
            lines.append(_FIELD.sub(lambda match: _value(match, values), line))
    return "\n".join(lines)


def _value(match: re.Match[str], values: dict[str, str]) -> str:
    value = match["word"] or values[match["name"]]
    quoted = match.string.count('"', 0, match.start()) % 2
    return json.dumps(value)[1:-1] if quoted else value


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """This process's variables and the agent's; the gateway on this machine is excluded from proxies."""
    outer = {name: value for name, value in os.environ.items() if name not in variables}
    no_proxy = ",".join(filter(None, (outer.get("NO_PROXY") or outer.get("no_proxy"), "127.0.0.1,localhost")))
    set_variables = {name: value for name, value in variables.items() if value}
    return {**outer, "NO_PROXY": no_proxy, "no_proxy": no_proxy, **set_variables}
