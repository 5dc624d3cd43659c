"""Asks a model whether it calls a tool, for families that can write calls but never begin one.

They are told that everything is a call, with `reply` for what can be said in words, and the call is begun for them:
the likelier name decides. Then they write the call, bound by the tool's schema, or think and answer as if there were
no tools. Nothing is thought before a call: what these models think there is the call itself, or a result that they
make up (seen in most of 42 thoughts).
"""

from collections.abc import Mapping

from msgspec.structs import replace

from perpend.backends.contract import Call
from perpend.families.tool_markup import CALL_BEGUN, callable_tools, reply_name
from perpend.types import ForcedTool, OutputSpec, Sampling

_LIKELIEST = 20
"""First tokens that are compared: as many as servers return by default."""


def undecided(call: Call) -> bool:
    """Whether the model has to be asked first if it calls a tool."""
    output_spec = call.output_spec
    return (
        call.family.tools == "chosen"
        and output_spec.tool_choice == "auto"
        and bool(callable_tools(output_spec))
    )


def choosing(call: Call) -> Call:
    """The question as a call: one token, of which only the log-probabilities are used."""
    return replace(
        call,
        phase="answering",
        max_tokens=1,
        thinking_tokens=0,
        sampling=Sampling(temperature=0.0),
        continuation=CALL_BEGUN,
        first_logprobs=_LIKELIEST,
    )


def decided(output_spec: OutputSpec, first_logprobs: Mapping[str, float]) -> OutputSpec:
    """The output spec with its choice made: a call is required, or none is allowed."""
    weights = {tool.name: _weight(tool.name, first_logprobs) for tool in output_spec.tools}
    highest = max(weights.values())
    if highest <= _weight(reply_name(output_spec.tools), first_logprobs):
        return replace(output_spec, tool_choice="none")
    likeliest = [name for name, weight in weights.items() if weight == highest]
    return replace(output_spec, tool_choice=ForcedTool(likeliest[0]) if len(likeliest) == 1 else "required")


def _weight(name: str, first_logprobs: Mapping[str, float]) -> float:
    begins = [logprob for token, logprob in first_logprobs.items() if token and name.startswith(token)]
    return max(begins, default=float("-inf"))
