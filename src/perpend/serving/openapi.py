"""`/openapi.json`: OpenAPI 3.1, generated from the types that requests are decoded into."""

from importlib.metadata import version
from typing import Any

import msgspec

from perpend.serving.dialects.openai_chat_schema import ChatChunk, ChatCompletion, ChatRequest
from perpend.serving.errors import ErrorBody
from perpend.serving.info import ModelList, ModelRow, Status

_REF = "#/components/schemas/{name}"
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
    types = (ChatRequest, ChatCompletion, ChatChunk, ModelList, ModelRow, Status, ErrorBody)
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema = dict(zip((one.__name__ for one in types), refs, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perpend",
            "version": version("perpend"),
            "description": "A gateway for reasoning models that treats thinking as a metered resource.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"bearer": []}, {"header": []}],
        "paths": _paths(schema),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _paths(schema: dict[str, Any]) -> dict[str, Any]:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/v1/chat/completions": {"post": _chat(schema)},
        "/v1/models": {"get": _get("listModels", "The models served here.", schema["ModelList"])},
        "/v1/models/{model}": {
            "get": {**_get("getModel", "One model.", schema["ModelRow"]), "parameters": [name]},
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


def _chat(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _json("The answer; with `stream` as server-sent events.", schema["ChatCompletion"])
    answer["content"]["text/event-stream"] = {"schema": schema["ChatChunk"]}
    answer["headers"] = {"X-Request-Id": {"schema": {"type": "string"}}}
    errors = {status: _json(text, schema["ErrorBody"]) for status, text in _ERRORS.items()}
    return {
        "operationId": "createChatCompletion",
        "summary": "Answer a conversation inside a budget of thinking, money and time.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema["ChatRequest"]}}},
        "responses": {"200": answer, **errors},
    }


def _get(operation: str, summary: str, schema: Any) -> dict[str, Any]:
    return {"operationId": operation, "summary": summary, "responses": {"200": _json(summary, schema)}}


def _text(operation: str, summary: str) -> dict[str, Any]:
    answer = {"description": summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"operationId": operation, "summary": summary, "responses": {"200": answer}}


def _json(text: str, schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
