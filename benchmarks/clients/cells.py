"""What is tried with each client: the columns of the table, with the prompts that cue the model."""

from typing import NamedTuple


class Cell(NamedTuple):
    """`prompts`: one for each turn. `says`: a pattern of what the client then shows."""

    name: str
    prompts: tuple[str, ...]
    says: str


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

CELLS = (
    Cell("text", ("Name a fruit. (cue: text)",), "The word is pomelo"),
    Cell("stream", ("Name a fruit. (cue: text)",), "The word is pomelo"),
    Cell("second turn", ("Remember 42. (cue: remember)", "Which number was it? (cue: recall)"), "It was 42"),
    Cell("tool loop", ("Add 2 and 3 with the tool. (cue: add)",), "The sum is 5"),
    Cell(
        "schema",
        ("Who wrote the first program? (cue: schema)",),
        r'"?name"?[=:] ?["\']Ada["\'],?\s*"?age"?[=:] ?36',
    ),
    Cell("thinking", ("Name a fruit. (cue: text)",), "Let me weigh this"),
    Cell("effort", ("Think hard. (cue: effort)",), "A budget of 1024 tokens"),
    Cell("errors", ("A long story. (cue: errors)",), "(?i)context (length|window)|too long|token limit"),
    Cell("image", ("What is this? (cue: image)",), "A PNG image"),
)

CODING = {
    "tool loop": Cell(
        "tool loop",
        ("Change pear to pomelo in {file}, then show the file. (cue: edit)",),
        "The file now says pomelo",
    )
}
"""A coding agent's tool loop: with the tools that it brings."""

READING = {"image": Cell("image", ("What is in {image}? (cue: image)",), "A PNG image")}
"""An agent that looks at pictures by a tool that it brings."""
