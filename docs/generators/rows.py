"""Providers and model families as tables of their rows."""

import json
from collections.abc import Iterator

from generators.markdown import NOTE, code, table

from perpend.families.family import Family, families
from perpend.providers.provider import BUDGET, EFFORT, SWITCH, Knob, Provider, providers
from perpend.types import EFFORTS

LOCAL = ("http://127.0.0.1", "http://localhost")
BUDGETS = {
    "exact": "exact: stops at the very token",
    "native_hard": "kept by the server",
    "native_soft": "a wish to the server; watched",
    "effort_only": "an effort word; watched",
    "none": "watched",
}
STANDS_FOR = {BUDGET: "the budget", EFFORT: "the effort", SWITCH: "the template's switch"}


def providers_page() -> str:
    known = list(providers().values())
    engines = [one for one in known if one.base_url.startswith(LOCAL)]
    hosted = [one for one in known if one not in engines]
    intro = (
        "Each is a row of `providers/providers.toml`; `[providers.NAME]` of perpend.toml changes it field by field\n"
        "([configuration](../guides/configuration.md#a-hosted-vendor)).\n"
    )
    wires = _places(hosted, "key") + "\n## Engines\n\n" + _places(engines, "key")
    asked = table(("provider", "field", "for thinking", "for none", "models"), _knobs(known))
    thinking = (
        "## How thinking is asked for\n\nFields of the request to the provider. A provider without a row here is\n"
        "asked by the fields that the [model's family](families.md) names.\n\n"
    )
    facts = "## Where it is from\n\n" + table(("provider", "source", "read on", "note"), map(_source, known))
    return f"# Providers\n\n{NOTE}{intro}\n## Hosted\n\n{wires}\n{thinking}{asked}\n{facts}"


def _places(some: list[Provider], key: str) -> str:
    rows = [(code(one.name), code(one.wire), code(one.base_url), _key(one)) for one in some]
    return table(("provider", "wire", "address", key), rows)


def _key(one: Provider) -> str:
    return (
        code(one.key_env)
        if one.key_env
        else {"sigv4": "AWS's credentials", "google": "Google's"}.get(one.auth, "")
    )


def _knobs(known: list[Provider]) -> Iterator[tuple[str, ...]]:
    for one in known:
        for knob in one.knobs:
            yield code(one.name), _field(knob), _sent(knob.on), _sent(knob.off), _globs(knob.models)


def _field(knob: Knob) -> str:
    return STANDS_FOR.get(knob.field) or code(knob.field)


def _sent(value: object) -> str:
    if value is None:
        return ""
    return STANDS_FOR.get(str(value)) or code(json.dumps(value, ensure_ascii=False))


def _globs(globs: tuple[str, ...]) -> str:
    return "" if globs == ("*",) else code(*globs)


def _source(one: Provider | Family) -> tuple[str, str, str, str]:
    return code(one.name), _plain(one.source), one.date.isoformat(), _plain(one.note)


def _plain(text: str) -> str:
    """Of a row's text what Markdown would take for tags or emphasis."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def families_page() -> str:
    known = list(families().values())
    intro = (
        "How a model thinks: each is a row of `families/rows/`; the glob that says most of a model's name wins.\n"
        "`perpend models show MODEL` says the same of one model. Efforts are in thinking tokens.\n"
    )
    names = table(
        ("family", "models"), [(code(one.name), code(*one.match) or "for other rows alone") for one in known]
    )
    budgets = table(
        ("family", "budget in tokens", "shows", "can be off", "goes back next turn"), map(_thinks, known)
    )
    efforts = table(("family", *EFFORTS), [(code(one.name), *_efforts(one)) for one in known])
    facts = table(("family", "source", "read on", "note"), map(_source, known))
    return (
        f"# Model families\n\n{NOTE}{intro}\n## Models\n\n{names}\n## Thinking\n\n{budgets}\n"
        f"## Efforts\n\n{efforts}\n## Where it is from\n\n{facts}"
    )


def _thinks(one: Family) -> tuple[str, ...]:
    return code(one.name), BUDGETS[one.budget], one.shows, "yes" if one.can_disable else "no", one.echo


def _efforts(one: Family) -> list[str]:
    return [f"{one.effort[word]:,}" if word in one.effort else "" for word in EFFORTS]
