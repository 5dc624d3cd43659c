"""What coding agents send, in small: bodies of the shape that the stock programs send, in our own words."""

from typing import Any

JSON = dict[str, Any]

_ANY: JSON = {"type": "object", "properties": {}, "additionalProperties": False}


def _tool(name: str, *fields: str) -> JSON:
    properties = {field: {"type": "string"} for field in fields}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(fields),
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "description": name, "strict": False, "parameters": schema}


_PATCH: JSON = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
CODEX_TOOLS: dict[str, list[JSON]] = {
    "a model that Codex doesn't know": [
        _tool("exec_command", "cmd"),
        _tool("view_image", "path"),
        {
            "type": "namespace",
            "name": "agents",
            "description": "Others.",
            "tools": [_tool("close_agent", "id")],
        },
        {"type": "web_search", "external_web_access": True},
    ],
    "one that it knows": [
        _tool("exec_command", "cmd"),
        _PATCH,
        {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": _ANY},
        {"type": "web_search", "external_web_access": True, "search_content_types": ["text", "image"]},
    ],
    "its own": [
        {
            "type": "namespace",
            "name": "functions",
            "description": "",
            "tools": [{**_PATCH, "name": "exec", "description": "Runs scripts."}, _tool("wait", "cell_id")],
        },
    ],
}
"""What Codex 0.171 offers a model, by how well it knows its name."""


def codex(known: str, items: list[JSON]) -> JSON:
    """Codex's request: `items` after its own instructions, which are a message too. To its own models tools come as an
    item.
    """
    tools = CODEX_TOOLS[known]
    offer: JSON = {"type": "additional_tools", "id": "at_of_its_own", "role": "developer", "tools": tools}
    as_item = known == "its own"
    return {
        "model": "scripted",
        "stream": True,
        "input": [*[offer] * as_item, codex_message("developer", "You edit code."), *items],
        **({} if as_item else {"tools": tools}),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto", "effort": "low", "context": "all_turns"},
        "text": {"verbosity": "low"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "a-thread",
        "client_metadata": {"session_id": "a-session", "thread_id": "a-thread"},
    }


def codex_message(role: str, text: str) -> JSON:
    return {
        "type": "message",
        "id": f"msg_of_its_own_{role}",
        "role": role,
        "content": [{"type": "input_text", "text": text}],
    }


def codex_answered(items: list[JSON], output: str) -> list[JSON]:
    """A reply's items as Codex sends them again, and the output of its call."""
    fields = ("type", "id", "summary", "encrypted_content")
    kept = [
        {**{field: item.get(field) for field in fields}, "content": None}
        if item["type"] == "reasoning"
        else item
        for item in items
    ]
    call = items[-1]
    kind = call["type"] + "_output"
    return [*kept, {"type": kind, "id": "out_of_its_own", "call_id": call["call_id"], "output": output}]


def claude_code(messages: list[JSON], tools: list[JSON]) -> JSON:
    """Claude Code 2.1.332's request."""
    return {
        "model": "claude-opus-5-5",
        "messages": messages,
        "system": [
            {"type": "text", "text": "a-billing-header: cc_version=2.1.332"},
            {"type": "text", "text": "You edit code.", "cache_control": {"type": "ephemeral"}},
        ],
        "tools": tools,
        "metadata": {"user_id": '{"device_id": "a-device", "session_id": "a-session"}'},
        "max_tokens": 128000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "low"},
        "stream": True,
    }


def claude_tool(name: str, *fields: str, **more: Any) -> JSON:
    own = _tool(name, *fields)
    return {"name": name, "description": name, "input_schema": own["parameters"], **more}


CLAUDE_TOOLS = [
    claude_tool("Read", "file_path"),
    claude_tool("Edit", "file_path", "old_string", "new_string"),
    claude_tool("Bash", "command", "description"),
    claude_tool("ToolSearch", "query"),
    claude_tool("WebFetch", "url", defer_loading=True),
]


def claude_asks(prompt: str) -> list[JSON]:
    """The first turn: a reminder before the prompt, and a word of the system's after it."""
    reminder = {"type": "text", "text": "<system-reminder>\nToday is a day.\n</system-reminder>"}
    said = {"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}
    system = {"role": "system", "content": "# Environment\nA folder.", "output_config": {"effort": "low"}}
    return [{"role": "user", "content": [reminder, said]}, system]
