"""How each agent's own tools change a file and run a command: rows, looked up by the tools that it offers."""

from typing import Any, NamedTuple

OLD, NEW = "pear", "pomelo"


class Step(NamedTuple):
    """A call of `tool`; `{file}` in its arguments stands for the file's path."""

    tool: str
    given: dict[str, str]

    def arguments(self, file: str) -> dict[str, Any]:
        return {name: value.replace("{file}", file) for name, value in self.given.items()}


PATCH = "*** Begin Patch\n*** Update File: {file}\n@@\n-" + OLD + "\n+" + NEW + "\n*** End Patch\n"

EDITS = (
    # Codex with its default model, which has one tool: scripts that call the others
    (
        Step("exec", {"input": f"text(await tools.apply_patch(`{PATCH}`))"}),
        Step("exec", {"input": 'text(await tools.exec_command({cmd: "cat {file}"}))'}),
    ),
    # Codex, where it knows the model's name
    (Step("apply_patch", {"input": PATCH}), Step("exec_command", {"cmd": "cat {file}"})),
    # Codex, with any other model
    (
        Step("exec_command", {"cmd": f"sed -i s/{OLD}/{NEW}/ {{file}}"}),
        Step("exec_command", {"cmd": "cat {file}"}),
    ),
    # Claude Code
    (
        Step("Read", {"file_path": "{file}"}),
        Step("Edit", {"file_path": "{file}", "old_string": OLD, "new_string": NEW}),
        Step("Bash", {"command": "cat {file}", "description": "Show the file"}),
    ),
    # opencode
    (
        Step("read", {"filePath": "{file}"}),
        Step("edit", {"filePath": "{file}", "oldString": OLD, "newString": NEW}),
        Step("bash", {"command": "cat {file}", "description": "Show the file"}),
    ),
)


def whole_file(file: str) -> str:
    """For aider, which edits by what the answer says and has no tools."""
    return f"Here it is.\n\n{file.rpartition('/')[2]}\n```\n{NEW}\n```\n"
