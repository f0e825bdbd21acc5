"""What a client is told when there is no answer: OpenAI's error object and an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from its_agent.backends.retry import BUSY
from its_agent.errors import (
    BackendError,
    BackendRefused,
    BackendUnreachable,
    InvalidBudget,
    InvalidInput,
    InvalidProblem,
    ItsAgentError,
    PromptTooLong,
    SolveFailed,
    UnknownModel,
    UnknownStrategy,
)
from its_agent.integrations.gateway.redact import redacted, without_addresses
from its_agent.receipt import Receipt

RETRY_SECONDS = 5
"""What a client is asked to wait for an engine that does not answer."""
_NAMED: Mapping[type[InvalidInput], tuple[str, str]] = {
    PromptTooLong: ("messages", "context_length_exceeded"),
    InvalidProblem: ("messages", "invalid_problem"),
    UnknownModel: ("model", "model_not_found"),
    UnknownStrategy: ("strategy", "unknown_strategy"),
    InvalidBudget: ("max_compute_budget", "invalid_budget"),
}
"""The parameter that an error speaks of, and its code."""


class Refusal(ItsAgentError):
    """A request is not answered; `status` is HTTP's, `param` the parameter at fault."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after: int | None = None,
        is_final: bool = False,
        receipt: Receipt | None = None,
    ) -> None:
        self.status = status
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.is_final = is_final
        """Asking once more cannot help."""
        self.receipt = receipt
        super().__init__(message)

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's headers say beside its body."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers | ({"X-Should-Retry": "false"} if self.is_final else {})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object that says what is wrong."""
        error = {
            "message": str(self),
            "type": "invalid_request_error" if self.status < 500 else "server_error",
            "param": self.param,
            "code": self.code,
        }
        if self.receipt is None:
            return {"error": error}
        return {"error": error, "its": {"receipt": redacted(self.receipt)}}


def bad(param: str, message: str, *, code: str = "invalid_value") -> Refusal:
    """A parameter that cannot be taken as it is; the message names it."""
    return Refusal(400, f"{param}: {message}", code=code, param=param)


def refusal_of(error: ItsAgentError) -> Refusal:
    """The refusal that an error stands for. What an engine said stays in this house: it may quote
    a prompt, or an address."""
    match error:
        case Refusal():
            return error
        case InvalidInput():
            named = (told for kind, told in _NAMED.items() if isinstance(error, kind))
            param, code = next(named, (None, "invalid_request"))
            status = 404 if isinstance(error, UnknownModel) else 400
            return Refusal(status, without_addresses(str(error)), code=code, param=param)
        case SolveFailed():
            return _failed(error)
        case BackendUnreachable():
            return _away()
        case BackendRefused() if error.status in BUSY:
            return _away("the engine is busy; try again later", code="engine_busy")
        case BackendError():
            return Refusal(502, "the engine gave no usable answer", code="engine_error")
        case _:
            return _away()


def _failed(error: SolveFailed) -> Refusal:
    if error.receipt.stopped_because == "backend_lost":
        return lost(error.receipt)
    return Refusal(
        503,
        "the time was up before the first sample; ask for less, or try again later",
        code=error.receipt.stopped_because,
        retry_after=RETRY_SECONDS,
        receipt=error.receipt,
    )


def lost(receipt: Receipt) -> Refusal:
    """The engine went away before there was an answer."""
    return Refusal(
        503,
        "the engine was lost before there was an answer; try again later",
        code="backend_lost",
        retry_after=RETRY_SECONDS,
        receipt=receipt,
    )


def _away(
    message: str = "the engine behind this gateway does not answer; try again later",
    *,
    code: str = "engine_unavailable",
) -> Refusal:
    return Refusal(503, message, code=code, retry_after=RETRY_SECONDS)
