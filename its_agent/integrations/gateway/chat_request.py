"""A chat completion request as far as it is honoured; read strictly, from the client's JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from its_agent.integrations.gateway.tool_request import Asked, EarlierCall, Tool, ToolChoice

MOST_STOPS = 4
MOST_TOKENS = 1 << 20
MOST_CHOICES = 8
_TEXT_OR_PARTS = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
                "required": ["type", "text"],
                "additionalProperties": False,
            },
        },
    ]
}
_STOP_OR_STOPS = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "maxItems": MOST_STOPS,
        },
        {"type": "null"},
    ]
}


def _text(content: object) -> object:
    """One text of the text parts, a line each."""
    if not isinstance(content, list):
        return content
    return "\n".join(_part(part) for part in cast("list[object]", content))


def _part(part: object) -> str:
    fields = cast("dict[str, object]", part) if isinstance(part, dict) else {}
    text = fields.get("text")
    if fields.keys() == {"type", "text"} and fields["type"] == "text" and isinstance(text, str):
        return text
    raise ValueError('only text is taken, and parts such as {"type": "text", "text": "…"}')


def _stops(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_TEXT_OR_PARTS)]
Stops = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(max_length=MOST_STOPS),
    BeforeValidator(_stops),
    WithJsonSchema(_STOP_OR_STOPS),
]


class ChatMessage(Asked):
    """One turn of the conversation; a developer's is read as a system message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text
    tool_calls: list[EarlierCall] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> ChatMessage:
        if (self.role == "tool") is (self.tool_call_id is None):
            raise ValueError("a message with the role tool, and no other, has a tool_call_id")
        if self.tool_calls is not None and self.role != "assistant":
            raise ValueError("only a message with the role assistant has tool_calls")
        return self


class AnyObject(Asked):
    """The answer is a JSON object."""

    type: Literal["json_object"]


class NamedSchema(Asked):
    """A schema; its name and description are for people and programs, not for the model."""

    name: str = Field(default="answer", max_length=64)
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None
    """Answers fit the schema whatever this says."""


class FittingObject(Asked):
    """The answer is JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


class StreamOptions(Asked):
    """What a stream tells beside the answer."""

    include_usage: bool | None = None


class ChatRequest(Asked):
    """The parameters that are honoured: OpenAI's, and three of this gateway's own."""

    model: str = Field(min_length=1, max_length=512)
    messages: list[ChatMessage] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    max_tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0.01, le=1)
    stop: Stops = []
    n: int = Field(default=1, ge=1, le=MOST_CHOICES)
    """Answers, each of a solve of its own that gets an equal part of the budget."""
    response_format: Annotated[AnyObject | FittingObject, Field(discriminator="type")] | None = None
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = Field(default=None, max_length=512)
    """Told in the log, as a hash: who misuses the gateway can be found."""
    safety_identifier: str | None = Field(default=None, max_length=512)
    """The same, as newer clients call it."""
    max_compute_budget: int | None = Field(default=None, ge=1)
    """Most compute units of the solve."""
    strategy: str | None = Field(default=None, max_length=64)
    receipt: bool = False
    """Tell the whole receipt beside the answer."""
