"""The JSON that an OpenAI-compatible vLLM server sends, as far as it is read."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from its_agent.tool_calls import CallPiece


class Wire(BaseModel):
    """What a server sent; fields that are not read may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Alternative(Wire):
    """A token that was possible at one position."""

    token: str
    logprob: float


class ChosenToken(Alternative):
    """The token that was generated at one position."""

    top_logprobs: tuple[Alternative, ...] | None = None


class Logprobs(Wire):
    """Log-probabilities of the tokens of one piece."""

    content: tuple[ChosenToken, ...] | None = None


class FunctionPiece(Wire):
    """A piece of what a call names."""

    name: str | None = None
    arguments: str | None = None


class CalledPiece(Wire):
    """A piece of one call."""

    index: int
    id: str | None = None
    function: FunctionPiece = FunctionPiece()


class Piece(Wire):
    """New text of one choice, or of its calls."""

    content: str | None = None
    reasoning: str | None = None
    """What a reasoning parser took for thinking."""
    reasoning_content: str | None = None
    """The same, as older servers call it."""
    tool_calls: tuple[CalledPiece, ...] | None = None

    @property
    def thinking(self) -> str:
        """The thinking in this piece."""
        return self.reasoning or self.reasoning_content or ""

    @property
    def calls(self) -> tuple[CallPiece, ...]:
        """The pieces of calls in it."""
        return tuple(
            CallPiece(
                index=one.index,
                id=one.id or "",
                name=one.function.name or "",
                arguments=one.function.arguments or "",
            )
            for one in self.tool_calls or ()
        )


class Choice(Wire):
    """One choice of a chunk."""

    index: int
    delta: Piece
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


class PromptDetails(Wire):
    """Where the prompt's tokens came from."""

    cached_tokens: int | None = None


class UsageCount(Wire):
    """The engine's count of one choice so far, or of the whole request in the last chunk."""

    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None


class ErrorDetail(Wire):
    """The server's own words for what went wrong."""

    message: str
    code: int | str | None = None


class Chunk(Wire):
    """One event of a streamed chat completion, or the error that ends it."""

    choices: tuple[Choice, ...]
    usage: UsageCount | None = None
    system_fingerprint: str | None = None


class ErrorBody(Wire):
    """The body of an error answer, and of an error event inside a stream."""

    error: ErrorDetail


class DetailBody(Wire):
    """The body of an error that a web framework wrote on its own."""

    detail: str


class ServedModel(Wire):
    """One entry of `/v1/models`."""

    id: str
    max_model_len: int | None = None


class ModelList(Wire):
    """The answer of `/v1/models`."""

    data: tuple[ServedModel, ...]


class Version(Wire):
    """The answer of `/version`."""

    version: str


class TokenCount(Wire):
    """The answer of `/tokenize`."""

    count: int


class TokenList(Wire):
    """The answer of `/tokenize`, read for the tokens themselves."""

    tokens: tuple[int, ...]


class Detokenized(Wire):
    """The answer of `/detokenize`."""

    prompt: str


class PromptToken(Wire):
    """A token that was given at one position of a prompt."""

    logprob: float | None = None


class ReadPrompt(Wire):
    """One choice of a completion, read for what it says of the prompt: nothing of its first
    token, and of the others by the token's number."""

    prompt_logprobs: tuple[Mapping[str, PromptToken] | None, ...] | None = None


class Completion(Wire):
    """The answer of `/v1/completions`."""

    choices: tuple[ReadPrompt, ...]


class PromptCount(Wire):
    """The count of tokens that were only read."""

    prompt_tokens: int


class TokenRows(Wire):
    """What `/pooling` says of one text: a row of labels for each token."""

    data: tuple[tuple[float, ...], ...]


class Pooled(Wire):
    """The answer of `/pooling` for the task `token_classify`."""

    data: tuple[TokenRows, ...]
    usage: PromptCount


class TextLabels(Wire):
    """What `/classify` says of one text: a number for each label."""

    probs: tuple[float, ...]


class Classified(Wire):
    """The answer of `/classify`."""

    data: tuple[TextLabels, ...]
    usage: PromptCount
