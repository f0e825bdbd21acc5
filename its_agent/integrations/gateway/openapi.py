"""What the gateway says of itself, as an OpenAPI page."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from its_agent.integrations.gateway.chat_request import ChatRequest
from its_agent.integrations.gateway.order import BUDGET_HEADER, RECEIPT_HEADER, STRATEGY_HEADER

_REFERENCE = "#/components/schemas/{model}"
_REFUSALS = {
    "400": "a parameter is wrong, or not supported; the error names it",
    "401": "no valid API key",
    "403": "the gateway goes by another name",
    "404": "no such model",
    "408": "the body came too slowly",
    "413": "the body is too large",
    "415": "the body is not JSON",
    "429": "too many requests, or all compute of the key is spent",
    "500": "the gateway failed",
    "502": "the engine gave no usable answer",
    "503": "the engine is down, or too many requests are being answered",
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"enum": ["invalid_request_error", "server_error"]},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
            "required": ["message", "type", "param", "code"],
        },
        "its": {"type": "object"},
    },
    "required": ["error"],
}
_JSON_OBJECT = {"application/json": {"schema": {"type": "object"}}}


def openapi() -> dict[str, Any]:
    """Describe every page."""
    schema = ChatRequest.model_json_schema(ref_template=_REFERENCE)
    parts = schema.pop("$defs", {})
    return {
        "openapi": "3.1.0",
        "info": {"title": "its-agent gateway", "version": version("its-agent")},
        "paths": {
            "/v1/chat/completions": {"post": _chat()},
            "/v1/models": {"get": _page("models", "The model that is served.", "401", "503")},
            "/v1/models/{model}": {"get": _model()},
            "/health": {"get": _page("health", "Whether the engine answers.", "503")},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": {**parts, "ChatRequest": schema, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _chat() -> dict[str, Any]:
    answers = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}
    body = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ChatRequest")}}}
    return {
        "operationId": "chat",
        "summary": "Solve a problem within a budget, and answer.",
        "security": [{"key": []}, {}],
        "parameters": [
            _header(BUDGET_HEADER, {"type": "integer", "minimum": 1}),
            _header(STRATEGY_HEADER, {"type": "string"}),
            _header(RECEIPT_HEADER, {"enum": ["0", "1", "true", "false"]}),
        ],
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "the answer", "content": answers}}
        | _refusals(*_REFUSALS),
    }


def _model() -> dict[str, Any]:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    return {**_page("model", "One model.", "401", "404", "503"), "parameters": [name]}


def _metrics() -> dict[str, Any]:
    page = _page("metrics", "Counters, for Prometheus.", "401")
    page["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return page


def _page(name: str, summary: str, *refusals: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": []}, {}],
        "responses": {"200": {"description": summary, "content": _JSON_OBJECT}}
        | _refusals(*refusals, "403"),
    }


def _refusals(*statuses: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": _REFERENCE.format(model="Error")}}
    return {
        status: {"description": _REFUSALS[status], "content": {"application/json": schema}}
        for status in statuses
    }


def _header(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema}
