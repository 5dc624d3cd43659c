"""`/openapi.json`: OpenAPI 3.1, generated from the types that requests are decoded into."""

from importlib.metadata import version
from typing import Any

import msgspec

from perpend.config.limits import Allowance
from perpend.serving.admin import (
    KEYS_PATH,
    LIMITS_PATH,
    AdminKey,
    AdminKeys,
    AdminLimits,
    AdminLimitsList,
    KeyChange,
    NewKey,
)
from perpend.serving.conversations import (
    Conversation,
    ConversationChange,
    ConversationDeleted,
    ConversationRequest,
    ItemsRequest,
)
from perpend.serving.dialects.anthropic_schema import (
    MessageError,
    MessageReply,
    MessagesRequest,
    TokenCount,
)
from perpend.serving.dialects.openai_chat_schema import ChatChunk, ChatCompletion, ChatRequest
from perpend.serving.dialects.openai_completions_schema import CompletionRequest, TextCompletion
from perpend.serving.dialects.openai_embeddings import EmbeddingList, EmbeddingsRequest
from perpend.serving.dialects.openai_responses_schema import (
    Compacted,
    ResponseBody,
    ResponseDeleted,
    ResponsesRequest,
    ResponseTokens,
)
from perpend.serving.errors import ErrorBody
from perpend.serving.info_schema import ModelInfo, ModelList, ModelPage, ModelRow, Status
from perpend.serving.pages import ItemList

_TYPES: tuple[type, ...] = (
    *(ChatRequest, ChatCompletion, ChatChunk, ErrorBody),
    *(MessagesRequest, MessageReply, MessageError, TokenCount),
    *(CompletionRequest, TextCompletion, EmbeddingsRequest, EmbeddingList),
    *(Compacted, ResponsesRequest, ResponseBody, ResponseTokens, ResponseDeleted, ItemList),
    *(ConversationRequest, ConversationChange, ItemsRequest, Conversation, ConversationDeleted),
    *(ModelList, ModelRow, ModelPage, ModelInfo, Status),
    *(NewKey, KeyChange, AdminKey, AdminKeys, Allowance, AdminLimits, AdminLimitsList),
)
_REF = "#/components/schemas/{name}"
_MODELS = "Models served here, in Anthropic's shape where `anthropic-version` or `x-api-key` asks for it."
_ERRORS = {
    "400": "The request is wrong; `error.param` names the field.",
    "401": "A key is needed, or this one isn't known.",
    "402": "A dollar cap leaves no room.",
    "403": "The key, its user or its team may not have that.",
    "404": "There is no such model, strategy or path.",
    "413": "The body is too large.",
    "429": "Too much at once; `Retry-After` says when to come back.",
    "502": "The upstream failed; the message says what was tried.",
    "503": "The engine can't run.",
    "504": "No time was left, or the upstream took too long.",
}


def document() -> dict[str, Any]:
    """The OpenAPI document as plain values."""
    refs, components = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    schema = dict(zip((type_.__name__ for type_ in _TYPES), refs, strict=True))
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
        "/v1/completions": {"post": _completion(schema)},
        "/v1/embeddings": {"post": _embeddings(schema)},
        "/v1/messages": {"post": _messages(schema)},
        "/v1/messages/count_tokens": {"post": _count(schema)},
        "/v1/responses": {"post": _responses(schema)},
        **_stored(schema),
        **_conversations(schema),
        **_admin(schema),
        "/v1/models": {"get": _get("listModels", _MODELS, _either(schema, "ModelList", "ModelPage"))},
        "/v1/models/{model}": {
            "get": _get("getModel", _MODELS, _either(schema, "ModelRow", "ModelInfo"))
            | _path_parameters("model"),
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


def _path_parameters(*names: str) -> dict[str, Any]:
    text = {"type": "string"}
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": text} for name in names]}


def _with_parameters(operation: dict[str, Any], *names: str) -> dict[str, Any]:
    """The operation with the parameters of its path (`id`, `item`) and of its query."""
    path = _path_parameters(*[name for name in names if name in ("id", "item")])["parameters"]
    query = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in names
        if name not in ("id", "item")
    ]
    return operation | {"parameters": [*path, *query]}


def _chat(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _streamed(schema["ChatCompletion"], schema["ChatChunk"])
    summary = "Answer a conversation inside a budget of thinking, money and time."
    return _post("createChatCompletion", summary, schema["ChatRequest"], answer, schema["ErrorBody"])


def _completion(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _streamed(schema["TextCompletion"], schema["TextCompletion"])
    summary = "OpenAI's legacy completion: the prompt is one user's message."
    return _post("createCompletion", summary, schema["CompletionRequest"], answer, schema["ErrorBody"])


def _embeddings(schema: dict[str, Any]) -> dict[str, Any]:
    answer = _json("The embeddings.", schema["EmbeddingList"])
    summary = "Embeddings of texts, by a provider that has them or a packaged model."
    return _post("createEmbedding", summary, schema["EmbeddingsRequest"], answer, schema["ErrorBody"])


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


def _stored(schema: dict[str, Any]) -> dict[str, Any]:
    body = schema["ResponseBody"]
    stored = _get("getResponse", "A response that was stored, or its stream once more.", body)
    stored["responses"]["200"]["content"]["text/event-stream"] = {"schema": _EVENT}
    counted = _json("The prompt's tokens.", schema["ResponseTokens"])
    compacted = _json("The conversation made short.", schema["Compacted"])
    shorter = "Sum a conversation up in one item that stands for it."
    counting = "Count a request's prompt tokens without answering it."
    return {
        "/v1/responses/{id}": {
            "get": _with_parameters(stored, "id", "stream", "starting_after"),
            "delete": _with_parameters(
                _get("deleteResponse", "Forget a response.", schema["ResponseDeleted"]), "id"
            ),
        },
        "/v1/responses/{id}/cancel": {
            "post": _with_parameters(_get("cancelResponse", "End a background response.", body), "id"),
        },
        "/v1/responses/{id}/input_items": {
            "get": _with_parameters(
                _get("listInputItems", "What its request brought.", schema["ItemList"]), "id", *_PAGE
            ),
        },
        "/v1/responses/compact": {
            "post": _post(
                "compactResponse", shorter, schema["ResponsesRequest"], compacted, schema["ErrorBody"]
            ),
        },
        "/v1/responses/input_tokens": {
            "post": _post(
                "countResponseTokens", counting, schema["ResponsesRequest"], counted, schema["ErrorBody"]
            ),
        },
    }


def _conversations(schema: dict[str, Any]) -> dict[str, Any]:
    conversation, items, error = schema["Conversation"], schema["ItemList"], schema["ErrorBody"]
    whole, page = _json("The conversation.", conversation), _json("The items.", items)
    item = {"type": "object"}

    def post(operation: str, summary: str, body: str, answer: dict[str, Any]) -> dict[str, Any]:
        return _post(operation, summary, schema[body], answer, error)

    return {
        "/v1/conversations": {
            "post": post("createConversation", "Begin a conversation.", "ConversationRequest", whole),
        },
        "/v1/conversations/{id}": {
            "get": _with_parameters(_get("getConversation", "A conversation.", conversation), "id"),
            "post": _with_parameters(
                post("updateConversation", "Change it.", "ConversationChange", whole), "id"
            ),
            "delete": _with_parameters(
                _get("deleteConversation", "Forget it.", schema["ConversationDeleted"]), "id"
            ),
        },
        "/v1/conversations/{id}/items": {
            "get": _with_parameters(_get("listItems", "What was said in it.", items), "id", *_PAGE),
            "post": _with_parameters(post("addItems", "Add to it.", "ItemsRequest", page), "id"),
        },
        "/v1/conversations/{id}/items/{item}": {
            "get": _with_parameters(_get("getItem", "One item.", item), "id", "item"),
            "delete": _with_parameters(_get("removeItem", "Take it out.", conversation), "id", "item"),
        },
    }


_PAGE = ("after", "limit", "order")
_EVENT = {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}


def _admin(schema: dict[str, Any]) -> dict[str, Any]:
    def body(operation: str, summary: str, name: str, answer: str) -> dict[str, Any]:
        return _post(
            operation, summary, schema[name], _json("As it is now.", schema[answer]), schema["ErrorBody"]
        )

    id_, limited = _path_parameters("id"), _path_parameters("kind", "name")
    return {
        KEYS_PATH: {
            "get": _get("listKeys", "All keys, for keys with an admin's rights.", schema["AdminKeys"]),
            "post": body("createKey", "Make a key; its secret is shown this once.", "NewKey", "AdminKey"),
        },
        KEYS_PATH + "/{id}": {
            "get": _get("getKey", "A key.", schema["AdminKey"]) | id_,
            "post": body("changeKey", "Change a key.", "KeyChange", "AdminKey") | id_,
            "delete": _get("revokeKey", "Revoke a key.", schema["AdminKey"]) | id_,
        },
        LIMITS_PATH: {
            "get": _get("listLimits", "Limits that were set for teams and users.", schema["AdminLimitsList"])
        },
        LIMITS_PATH + "/{kind}/{name}": {
            "put": body("setLimits", "Set a team's or user's limits.", "Allowance", "AdminLimits") | limited,
            "delete": _get("removeLimits", "Take limits away.", schema["AdminLimits"]) | limited,
        },
    }


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
