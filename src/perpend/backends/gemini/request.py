"""Builds request bodies for the Gemini wire (google-genai 3.6, types.py).

The model's family decides how a budget is sent: `native_*` families get `thinkingBudget`, `effort_only` families get
`thinkingLevel`, and the others get no `thinkingConfig`. The two fields are never sent together.
Reference: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from functools import partial

from perpend.backends.body import Body, ThinkingParams, body_of
from perpend.backends.contract import Call, state_for
from perpend.backends.gemini.body import (
    GeminiBlob,
    GeminiBody,
    GeminiCall,
    GeminiCalling,
    GeminiContent,
    GeminiError,
    GeminiFile,
    GeminiFunction,
    GeminiGenerationConfig,
    GeminiMode,
    GeminiOutput,
    GeminiPart,
    GeminiResult,
    GeminiTools,
)
from perpend.backends.message_parts import (
    arguments,
    format_instruction,
    media,
    media_type,
    result_images,
    result_text,
    system,
    tool_names,
)
from perpend.backends.sampling import FieldNames, SamplingFields, refused_always, sampling_fields
from perpend.backends.thinking_params import denied, granted
from perpend.types import (
    Document,
    ForcedTool,
    Image,
    Message,
    OutputSpec,
    Part,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)

_MODES: dict[str, GeminiMode] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_FIELD_NAMES: FieldNames = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_UNSIGNED = "skip_thought_signature_validator"
"""Replaces the signature of a tool call that another vendor's model made; a call without one is a 400."""


def request(call: Call, origin: str) -> Body:
    """Builds the body of `call`. `origin`: the provider whose own thought signatures are sent."""
    output_spec = call.output_spec
    fixed: GeminiBody = {"contents": _contents(call, origin), "generationConfig": _generation(call)}
    preamble = system(call.messages)
    if output_spec.output is not None and not _enforced(call):
        preamble = f"{preamble}\n\n{format_instruction(output_spec.output)}".lstrip()
    if preamble and call.system_role == "system":
        fixed["systemInstruction"] = {"parts": [GeminiPart(preamble)]}
    elif preamble:
        _add_preamble(preamble, fixed["contents"])
    if output_spec.tools:
        fixed["tools"] = [GeminiTools([_declaration(tool) for tool in output_spec.tools])]
        fixed["toolConfig"] = {"functionCallingConfig": _calling(output_spec)}
    return body_of(fixed, {}, granted(gemini_thinking(call), call))


def _generation(call: Call) -> Body:
    config: GeminiGenerationConfig = {"maxOutputTokens": call.max_tokens}
    if (output := call.output_spec.output) is not None and _enforced(call):
        config["responseMimeType"] = "application/json"
        if output.schema is not None:
            config["responseJsonSchema"] = output.schema
    return {**config, **gemini_sampling(call).fields}


def gemini_left_out(call: Call) -> tuple[str, ...]:
    spec = call.output_spec
    parallel = ("parallel_tool_calls",) if spec.tools and spec.parallel_tools is False else ()
    return (*gemini_sampling(call).left_out, *denied(partial(gemini_thinking, call), call), *parallel)


def gemini_sampling(call: Call) -> SamplingFields:
    return sampling_fields(call, _FIELD_NAMES, refused=refused_always(call.family))


def _enforced(call: Call) -> bool:
    """Tells whether the wire enforces the output format: models without thinking levels refuse one beside tools."""
    return not call.output_spec.tools or call.family.budget == "effort_only"


def gemini_thinking(call: Call) -> ThinkingParams:
    return {f"generationConfig.thinkingConfig.{name}": value for name, value in _thinking(call).items()}


def _thinking(call: Call) -> Body:
    """Returns the fields of `thinkingConfig`; empty where no thinking is requested."""
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


def _declaration(tool: Tool) -> GeminiFunction:
    return GeminiFunction(tool.name, tool.description, tool.parameters or None)


def _calling(output_spec: OutputSpec) -> GeminiCalling:
    """Converts the tool choice; this wire has no field that forbids parallel calls."""
    if isinstance(output_spec.tool_choice, ForcedTool):
        return {"mode": "ANY", "allowedFunctionNames": [output_spec.tool_choice.name]}
    return {"mode": _MODES[output_spec.tool_choice]}


def _add_preamble(preamble: str, contents: list[GeminiContent]) -> None:
    """Prepends it to the first user turn: two turns in a row may not have the same role."""
    if not contents or contents[0].role != "user":
        contents.insert(0, GeminiContent("user", []))
    contents[0].parts.insert(0, GeminiPart(preamble))


def _contents(call: Call, origin: str) -> list[GeminiContent]:
    """Converts messages to turns, and joins neighbours of one role: results of parallel calls must share a turn."""
    names = tool_names(call.messages)
    signs = call.family.budget == "effort_only"  # models with levels refuse an unsigned tool call
    contents: list[GeminiContent] = []
    for message in call.messages:
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, origin, names, signs)
        if contents and contents[-1].role == role:
            contents[-1].parts += parts
        elif parts:
            contents.append(GeminiContent(role, parts))
    return contents


def _parts(message: Message, origin: str, names: dict[str, str], signs: bool) -> list[GeminiPart]:
    """Converts a message. `names`: tool names by call id. `signs`: an unsigned first tool call gets `_UNSIGNED`."""
    parts: list[GeminiPart] = []
    for part in message.parts:
        parts += _part(part, origin, names)
    calls = [part for part in parts if part.function_call is not None] if signs else []
    if calls and calls[0].thought_signature is None:  # of parallel calls only the first has a signature
        calls[0].thought_signature = _UNSIGNED
    return parts


def _part(part: Part, origin: str, names: dict[str, str]) -> list[GeminiPart]:
    """Converts a part; of a thought only the signature is sent back, not the text."""
    match part:
        case Text() | Thought():
            text = part.text if isinstance(part, Text) else ""
            signature = state_for(part.provider_state, origin)
            return [GeminiPart(text, thought_signature=signature)] if text or signature is not None else []
        case Image():
            return [_image(part)]
        case ToolUse():
            call = GeminiCall(part.id, part.name, arguments(part))
            return [
                GeminiPart(
                    function_call=call, thought_signature=state_for(part.provider_state, origin) or None
                )
            ]
        case Document():
            return []  # its text was extracted earlier
        case ToolResult():
            return [_result(part, names), *[_image(image) for image in result_images(part)]]


def _image(image: Image) -> GeminiPart:
    inline = media(image)
    if inline is None:
        return GeminiPart(file_data=GeminiFile(media_type(image), image.url))
    return GeminiPart(inline_data=GeminiBlob(inline.kind, inline.data))


def _result(result: ToolResult, names: dict[str, str]) -> GeminiPart:
    text = result_text(result)
    response = GeminiError(text) if result.failed else GeminiOutput(text)
    name = names.get(result.tool_use_id, result.tool_use_id)
    return GeminiPart(function_response=GeminiResult(result.tool_use_id, name, response))
