"""What is sent over the Gemini wire (google-genai 3.6, types.py; ai.google.dev, thinking and thought signatures).

How a model takes its budget is its family's: `native_*` families get `thinkingBudget`, `effort_only` ones
`thinkingLevel`, never both; the others no thinkingConfig at all.
"""

from functools import partial
from typing import Any

from perpend.backends.contract import Call, mine
from perpend.backends.message_parts import (
    arguments,
    in_words,
    media,
    media_type,
    result_images,
    result_text,
    system,
    tool_names,
)
from perpend.backends.sampling import Drawing, Words, drawing, refused_always
from perpend.backends.thinking_params import Asks, denied, put_asks
from perpend.types import (
    Document,
    ForcedTool,
    Image,
    Message,
    OutputSpec,
    Part,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_WORDS: Words = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a tool call that another vendor's model made: without any it is a 400."""


def request(call: Call, origin: str) -> dict[str, Any]:
    """The body of `call`. `origin` is the provider whose carries go along."""
    body: dict[str, Any] = {"contents": _contents(call, origin), "generationConfig": _generation(call)}
    preamble = system(call.messages)
    if call.output_spec.output is not None and not _enforced(call):
        preamble = f"{preamble}\n\n{in_words(call.output_spec.output)}".lstrip()
    if preamble and call.system_role == "system":
        body["systemInstruction"] = {"parts": [{"text": preamble}]}
    elif preamble:
        body["contents"] = _before(preamble, body["contents"])
    put_asks(body, gemini_asks(call), call)
    if call.output_spec.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in call.output_spec.tools]}]
        body["toolConfig"] = {"functionCallingConfig": _calling(call.output_spec)}
    return body


def _generation(call: Call) -> dict[str, Any]:
    config: dict[str, Any] = {"maxOutputTokens": call.max_tokens, **gemini_drawing(call).fields}
    if (output := call.output_spec.output) is not None and _enforced(call):
        config["responseMimeType"] = "application/json"
        if output.schema is not None:
            config["responseJsonSchema"] = output.schema
    return config


def gemini_left_out(call: Call) -> tuple[str, ...]:
    one_at_a_time = (
        ("parallel_tool_calls",)
        if call.output_spec.tools and call.output_spec.parallel_tools is False
        else ()
    )
    return (*gemini_drawing(call).left_out, *denied(partial(gemini_asks, call), call), *one_at_a_time)


def gemini_drawing(call: Call) -> Drawing:
    return drawing(call, _WORDS, refused=refused_always(call.family))


def _enforced(call: Call) -> bool:
    """Models before those with levels refuse an output format beside tools."""
    return not call.output_spec.tools or call.family.budget == "effort_only"


def gemini_asks(call: Call) -> Asks:
    return {f"generationConfig.thinkingConfig.{name}": value for name, value in _thinking(call).items()}


def _thinking(call: Call) -> dict[str, Any]:
    family = call.family
    if not call.may_ask:
        return {}
    if family.budget == "effort_only":
        if call.effort == "none" and family.can_disable:
            return {}
        level = family.effort_word(call.effort)
        return {"includeThoughts": True} | ({} if level is None else {"thinkingLevel": level})
    if family.budget in ("native_hard", "native_soft"):
        tokens = family.clamp_budget(call.thinking_tokens)
        return {"thinkingBudget": tokens, "includeThoughts": tokens > 0}
    return {}


def _declaration(tool: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.parameters:
        row["parametersJsonSchema"] = tool.parameters
    return row


def _calling(output_spec: OutputSpec) -> dict[str, Any]:
    """The wire can't forbid several calls at a time."""
    if isinstance(output_spec.tool_choice, ForcedTool):
        return {"mode": "ANY", "allowedFunctionNames": [output_spec.tool_choice.name]}
    return {"mode": _MODES[output_spec.tool_choice]}


def _before(preamble: str, contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Said by the user first, who speaks once at a time."""
    said = {"role": "user", "parts": [{"text": preamble}]}
    if contents and contents[0]["role"] == "user":
        said["parts"] += contents.pop(0)["parts"]
    return [said, *contents]


def _contents(call: Call, origin: str) -> list[dict[str, Any]]:
    """Turns. The results of one turn's tool calls have to come together, so neighbours are joined."""
    names = tool_names(call.messages)
    signs = call.family.budget == "effort_only"  # models with levels refuse an unsigned tool call
    contents: list[dict[str, Any]] = []
    for message in call.messages:
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, origin, names, signs)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _parts(message: Message, origin: str, names: dict[str, str], signs: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        parts += _part(part, origin, names)
    calls = [part for part in parts if "functionCall" in part]
    if signs and calls and "thoughtSignature" not in calls[0]:  # of parallel ones the first is signed
        calls[0]["thoughtSignature"] = _UNSIGNED
    return parts


def _part(part: Part, origin: str, names: dict[str, str]) -> list[dict[str, Any]]:
    """As the wire has it; a thought's text isn't wanted back, only its signature."""
    match part:
        case Text() | Thought():
            text = part.text if isinstance(part, Text) else ""
            signature = mine(part.provider_state, origin)
            signed = {} if signature is None else {"thoughtSignature": signature}
            return [{"text": text, **signed}] if text or signed else []
        case Image():
            return [_image(part)]
        case ToolUse():
            function: dict[str, Any] = {"id": part.id, "name": part.name, "args": arguments(part)}
            signature = mine(part.provider_state, origin)
            return [{"functionCall": function} | ({"thoughtSignature": signature} if signature else {})]
        case Document():
            return []  # its text was read before
        case ToolResult():
            return [_result(part, names), *[_image(image) for image in result_images(part)]]


def _image(image: Image) -> dict[str, Any]:
    inline = media(image)
    if inline is None:
        return {"fileData": {"mimeType": media_type(image), "fileUri": image.url}}
    return {"inlineData": {"mimeType": inline.kind, "data": inline.data}}


def _result(result: ToolResult, names: dict[str, str]) -> dict[str, Any]:
    kind = "error" if result.failed else "output"
    return {
        "functionResponse": {
            "id": result.tool_use_id,
            "name": names.get(result.tool_use_id, result.tool_use_id),
            "response": {kind: result_text(result)},
        }
    }
