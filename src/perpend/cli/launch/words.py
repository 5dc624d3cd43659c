"""The texts of `perpend launch`: whether a model fits an agent, and the agent's account."""

from perpend.cli.console import json_line
from perpend.cli.launch.agents import Agent
from perpend.cli.usage import FIGURES, spent
from perpend.engine.catalogue import Weights, catalogue
from perpend.solve import ServedModel
from perpend.storage.rows import KeyRow
from perpend.storage.store import Store
from perpend.storage.usage import cut_short, total, usage


def fitting(row: Agent, model: ServedModel, weights: Weights | None) -> str:
    """Whether the agent's first prompt and an answer fit the model's context, and what to do where they don't."""
    subject = f"{model.name} answers {row.title}"
    first = f"; its first prompt takes about {row.prompt_tokens:,} tokens" if row.prompt_tokens else ""
    if model.context is None:
        return f"{subject}{first}, and the model's context isn't known here" if first else subject
    needed_tokens = row.prompt_tokens + model.answer_tokens
    if model.context >= needed_tokens:
        return f"{subject}, in a context of {model.context:,} tokens{first}"
    return (
        f"{subject}, in a context of {model.context:,} tokens that is too small{first},"
        f" an answer {model.answer_tokens:,}\n"
        f"  hint: {_larger(model.name, needed_tokens, weights)}"
    )


def _larger(name: str, needed: int, weights: Weights | None) -> str:
    if weights is not None and weights.context >= needed:
        return f"PERPEND_ENGINE__SLOTS=1 leaves it more of the {weights.context:,} tokens that it was trained for"
    rows = [
        row for row in catalogue().values() if not row.rounded
    ]  # the large ones of the hub are no small step
    fitting = [row.name for row in rows if row.context >= needed and row.name != name]
    embedded = f"one of {', '.join(fitting)}, or " if fitting else ""
    return f"--model chooses another: {embedded}a provider's, as PROVIDER/MODEL"


def account(store: Store, key: KeyRow) -> str:
    """The usage of a key as a line of text, with the number of answers that were cut short."""
    used = total(usage(store, (), key_id=key.id))
    cut = [f"{count:,} {reason}" for reason, count in cut_short(store, key.id).items()]
    parts = (
        "1 request" if used.requests == 1 else f"{used.requests:,} requests",
        f"{used.input:,} tokens in ({used.cached:,} cached)",
        f"{used.thinking:,} thinking",
        f"{used.answer:,} answer",
        spent(used),
        f"cut short: {', '.join(cut) or 'nothing'}",
    )
    return f"{key.name} used {' · '.join(parts)}"


def account_json(store: Store, key: KeyRow) -> str:
    """The same as an object, on one line."""
    used = total(usage(store, (), key_id=key.id))
    facts = {
        "key": key.name,
        **{name: getattr(used, name) for name in FIGURES},
        "cut_short": cut_short(store, key.id),
    }
    return json_line(facts)
