"""What the scripted model says: it thinks, calls tools and answers on cue, and tells so what reached it.

A prompt holds its cue, such as `(cue: text)`. The last cue that a user says counts, and what came after it. Where
something is missing from a request, the answer is `FAULT: …`, so that a client's own output shows both ends.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from benchmarks.clients.edits import EDITS, whole_file

THOUGHT = "Let me weigh this. "
WORD = "pomelo"
_CUE = re.compile(r"\(cue: ([a-z ]+)\)")
_PICTURE = re.compile(r"\S+\.png")
_FILE = re.compile(r"\S*note\.txt")
_FIELD = re.compile(r"^\d+\. `(\w+)`", re.MULTILINE)
_OBSERVED = re.compile(r"(?:Observation:|observation_0 ## \]\])\s*(\d+)")
"""A tool's result as smolagents and DSPy write it."""
_ADA = {"name": "Ada", "age": 36}

JSON = dict[str, Any]


class Call(NamedTuple):
    name: str
    arguments: JSON


class Refusal(NamedTuple):
    status: int
    code: str
    message: str


Reply = str | Call | Refusal


def text_of(message: JSON) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


class Heard:
    """A request. `since`: the messages after the one that holds the cue."""

    def __init__(self, body: JSON) -> None:
        self.body = body
        self.messages: list[JSON] = body["messages"]
        self.cue, at = "", 0
        for index, message in enumerate(self.messages):
            if message["role"] == "user" and (found := _CUE.findall(text_of(message))):
                self.cue, at = found[-1], index
        self.before, self.asked, self.since = self.messages[:at], self.messages[at], self.messages[at + 1 :]

    @property
    def tools(self) -> dict[str, JSON]:
        return {tool["function"]["name"]: tool["function"] for tool in self.body.get("tools", [])}

    def pictures(self) -> list[str]:
        contents: list[Any] = [message.get("content") for message in self.messages]
        parts: list[JSON] = [
            part for content in contents if isinstance(content, list) for part in cast("Any", content)
        ]
        return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]

    def results(self) -> list[str]:
        """What the tools said, in order; raises ValueError where a result has no call before it."""
        called: set[str] = set()
        said: list[str] = []
        for message in self.since:
            calls: list[JSON] = message.get("tool_calls") or []
            called |= {call["id"] for call in calls}
            if message["role"] == "tool":
                if message["tool_call_id"] not in called:
                    raise ValueError(f"{message['tool_call_id']} was never called")
                said.append(text_of(message))
        return said


def plain(heard: Heard) -> Reply:
    return f"The word is {WORD}. It is a fruit."


def remember(heard: Heard) -> Reply:
    return "Noted."


def recall(heard: Heard) -> Reply:
    roles = [message["role"] for message in heard.before]
    said = "\n".join(text_of(message) for message in heard.before)
    if "42" not in said or "Noted." not in said or "assistant" not in roles:
        return f"FAULT: the first turn didn't come back: {roles}"
    return "It was 42."


def add(heard: Heard) -> Reply:
    """Calls the tool that adds, then says what it got."""
    if results := heard.results() or _OBSERVED.findall("".join(map(text_of, [heard.asked, *heard.since]))):
        said = f"The sum is {results[-1]}."
        return Call("final_answer", {"answer": said}) if "final_answer" in heard.tools else said
    names = [name for name in heard.tools if name.endswith("add")]
    if not names and "next_tool_name" not in text_of(heard.messages[0]):
        return f"FAULT: no tool that adds, only {list(heard.tools)}"
    return Call("add" if not names else names[0], {"a": 2, "b": 3})


def edit(heard: Heard) -> Reply:
    """Goes through the tools that an agent edits a file and runs a command with."""
    found = _FILE.search(text_of(heard.asked))
    if found is None:
        return "FAULT: the file isn't named"
    if not heard.tools:
        return whole_file(found[0])
    steps = next((steps for steps in EDITS if {step.tool for step in steps} <= set(heard.tools)), ())
    results = heard.results()
    if not steps:
        return f"FAULT: no tools to edit with, only {list(heard.tools)}"
    if len(results) < len(steps):
        step = steps[len(results)]
        return Call(step.tool, step.arguments(found[0]))
    return "The file now says " + ("pomelo." if WORD in results[-1] else f"FAULT: {results[-1]}")


def schema(heard: Heard) -> Reply:
    """An object by the schema that was asked for, or by the one tool that takes it."""
    asked: JSON = heard.body.get("response_format") or {}
    if asked.get("type") == "json_schema":
        fields: JSON = asked["json_schema"]["schema"]["properties"]
        return json.dumps(_ADA) if set(fields) == set(_ADA) else f"FAULT: fields {list(fields)}"
    taking = [
        name
        for name, tool in heard.tools.items()
        if set(_ADA) == set(tool["parameters"].get("properties", ()))
    ]
    if not taking:
        return f"FAULT: no schema: {asked}, {list(heard.tools)}"
    return Call(taking[0], _ADA) if not heard.results() else "Ada is 36."


def budget(heard: Heard) -> Reply:
    return f"A budget of {heard.body.get('thinking_token_budget')} tokens."


def picture(heard: Heard) -> Reply:
    """Tells whether a picture came; reads the one that is named where there is a tool for it."""
    if any(url.startswith("data:image/png;base64,iVBOR") for url in heard.pictures()):
        return "A PNG image."
    named = _PICTURE.search(text_of(heard.asked))
    if named and "Read" in heard.tools and not heard.results():
        return Call("Read", {"file_path": named[0]})
    return "FAULT: no image"


def too_long(heard: Heard) -> Reply:
    message = "This model's maximum context length is 4096 tokens. However, your messages have 5000 tokens."
    return Refusal(400, "context_length_exceeded", message)


CUES: dict[str, Callable[[Heard], Reply]] = {
    "text": plain,
    "remember": remember,
    "recall": recall,
    "add": add,
    "edit": edit,
    "schema": schema,
    "effort": budget,
    "image": picture,
    "errors": too_long,
}


def reply(body: JSON) -> Reply:
    heard = Heard(body)
    if not heard.cue and THOUGHT.strip() in "".join(map(text_of, heard.messages)):
        return THOUGHT  # a summary of it is asked for
    if heard.cue not in CUES:
        return "No cue."  # a title, a commit's message: what agents ask for beside
    try:
        return in_fields(heard, CUES[heard.cue](heard))
    except (KeyError, ValueError, TypeError) as error:
        return f"FAULT: {type(error).__name__}: {error}"


def in_fields(heard: Heard, said: Reply) -> Reply:
    """As DSPy reads it: each field that its system prompt wants, under a heading. A call is three of them."""
    wanted = _FIELD.findall(text_of(heard.messages[0]).rpartition("output fields")[2])
    if not wanted or isinstance(said, Refusal) or heard.body.get("response_format"):
        return said
    values = {
        "next_thought": THOUGHT,
        "next_tool_name": "finish",
        "next_tool_args": "{}",
        "answer": said,
        **_ADA,
    }
    if isinstance(said, Call):
        values |= {"next_tool_name": said.name, "next_tool_args": json.dumps(said.arguments)}
    shown = [f"[[ ## {name} ## ]]\n{values.get(name, THOUGHT)}\n" for name in dict.fromkeys(wanted)]
    return "\n".join([*shown, "[[ ## completed ## ]]"])
