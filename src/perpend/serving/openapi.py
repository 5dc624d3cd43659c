"""`/openapi.json`: OpenAPI 3.1, generated from the types that requests are decoded into."""

from importlib.metadata import version
from typing import Any

import msgspec

from perpend.serving.dialects.anthropic_schema import (
    MessageError,
    MessageReply,
    MessagesRequest,
    TokenCount,
)
from perpend.serving.dialects.openai_chat_schema import ChatChunk, ChatCompletion, ChatRequest
from perpend.serving.dialects.openai_responses_schema import ResponseBody, ResponsesRequest
from perpend.serving.errors import ErrorBody
from perpend.serving.info import ModelInfo, ModelList, ModelPage, ModelRow, Status

_TYPES: tuple[type, ...] = (
    *(ChatRequest, ChatCompletion, ChatChunk, ErrorBody),
    *(MessagesRequest, MessageReply, MessageError, TokenCount),
    *(ResponsesRequest, ResponseBody),
    *(ModelList, ModelRow, ModelPage, ModelInfo, Status),
)
_REF = "#/components/schemas/{name}"
_MODELS = "Models served here, in Anthropic's shape where `anthropic-version` or `x-api-key` asks for it."
_ERRORS = {
    "400": "The request is wrong; `error.param` names the field.",
    "401": "A key is needed, or this one isn't known.",
    "402": "A dollar cap leaves no room.",
    "404": "There is no such model, strategy or path.",
    "413": "The body is too large.",
    "429": "Too much at once; `Retry-After` says when to come back.",
    "502": "The upstream failed; the message says what was tried.",
    "503": "The engine can't run.",
    "504": "No time was left, or the upstream took too long.",
}


def document() -> dict[str, Any]:
    """The whole document, as plain values."""
    refs, components = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    schema = dict(zip((one.__name__ for one in _TYPES), refs, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perpend",
            "version": version("perpend"),
            "description": "A gateway for reasoning models that treats thinking as a metered resource.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"bearer": []}, {"x-api-key": []}, {"api-key": []}],
        "paths": _paths(schema),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                **{
                    name: {"type": "apiKey", "in": "header", "name": name}
                    for name in ("x-api-key", "api-key")
                },
            },
        },
    }


def _paths(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "/v1/chat/completions": {"post": _chat(schema)},
        "/v1/messages": {"post": _messages(schema)},
        "/v1/messages/count_tokens": {"post": _count(schema)},
        "/v1/responses": {"post": _responses(schema)},
        "/v1/responses/{id}": {
            "get": _get("getResponse", "A response that was stored.", schema["ResponseBody"]) | _named("id"),
        },
        "/v1/models": {"get": _get("listModels", _MODELS, _either(schema, "ModelList", "ModelPage"))},
        "/v1/models/{model}": {
            "get": _get("getModel", _MODELS, _either(schema, "ModelRow", "ModelInfo")) | _named("model"),
        },
        "/healthz": {"get": _get("health", "The process lives.", schema["Status"])},
        "/readyz": {
            "get": _get("ready", "Requests can be answered.", schema["Status"])
            | {
                "responses": {
                    "200": _json("Ready.", schema["Status"]),
                    "503": _json("Why not.", schema["Status"]),
                }
            }
        },
        "/metrics": {"get": _text("metrics", "Prometheus metrics.")},
        "/openapi.json": {"get": _get("openapi", "This document.", {"type": "object"})},
    }


def _either(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    return {"anyOf": [schema[name] for name in names]}


def _named(name: str) -> dict[str, Any]:
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]}


def _chat(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _streamed(schema["ChatCompletion"], schema["ChatChunk"])
    summary = "Answer a conversation inside a budget of thinking, money and time."
    return _post("createChatCompletion", summary, schema["ChatRequest"], answer, schema["ErrorBody"])


def _messages(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _streamed(schema["MessageReply"], _EVENT)
    summary = "The same in Anthropic's dialect."
    return _post("createMessage", summary, schema["MessagesRequest"], answer, schema["MessageError"])


def _count(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _json("The prompt's tokens.", schema["TokenCount"])
    summary = "Count a request's prompt tokens without answering it."
    return _post("countTokens", summary, schema["MessagesRequest"], answer, schema["MessageError"])


def _responses(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _streamed(schema["ResponseBody"], _EVENT)
    summary = "The same in the dialect of OpenAI's responses: stored, and gone on from by id."
    return _post("createResponse", summary, schema["ResponsesRequest"], answer, schema["ErrorBody"])


_EVENT = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}


def _streamed(whole: Any, piece: Any) -> dict[str, Any]:
    answer = _json("The answer; with `stream` as server-sent events.", whole)
    answer["content"]["text/event-stream"] = {"schema": piece}
    return answer


def _post(operation: str, summary: str, body: Any, answer: dict[str, Any], error: Any) -> dict[str, Any]:
    answer["headers"] = {"X-Request-Id": {"schema": {"type": "string"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": answer, **{status: _json(text, error) for status, text in _ERRORS.items()}},
    }


def _get(operation: str, summary: str, schema: Any) -> dict[str, Any]:
    return {"operationId": operation, "summary": summary, "responses": {"200": _json(summary, schema)}}


def _text(operation: str, summary: str) -> dict[str, Any]:
    answer = {"description": summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"operationId": operation, "summary": summary, "responses": {"200": answer}}


def _json(text: str, schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
