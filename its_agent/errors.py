"""Everything that its_agent raises on purpose.

ItsAgentError
├── InvalidInput            (ValueError) found before any spend
│   ├── InvalidProblem
│   ├── InvalidBudget
│   │   └── BudgetTooSmall
│   ├── InvalidOption
│   ├── UnknownStrategy
│   ├── UnknownModel
│   └── PromptTooLong
├── BudgetExceeded          (RuntimeError) a reservation that does not fit
├── BackendError
│   ├── BackendUnreachable  nothing answers at that address
│   ├── BackendRefused      the server answered with an error status
│   │   └── CannotDo        it refused something that not every server can
│   ├── BackendGarbled      the server's answer is not what the protocol says
│   ├── BackendLost         the server went away in the middle of an answer
│   └── ScriptExhausted     a scripted or recorded backend holds no more samples
├── EngineError             the embedded vLLM server
│   ├── NoEngine            none is running and none was asked for
│   ├── MissingExtra
│   ├── NotEnoughMemory
│   ├── PortInUse
│   └── EngineDied
├── ModelError              fetching or converting a model
│   └── ChecksumMismatch
└── SolveFailed             a run that paid and has nothing to show; carries the receipt
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from its_agent.receipt import Receipt


class ItsAgentError(Exception):
    """Base class of every error that its_agent raises."""


class InvalidInput(ItsAgentError, ValueError):
    """Something the caller gave cannot be used; nothing was spent."""


class InvalidProblem(InvalidInput):
    """The problem is empty, too large or malformed."""


class InvalidBudget(InvalidInput):
    """The budget is not a positive amount."""


class BudgetTooSmall(InvalidBudget):
    """The budget does not pay for one call."""


class InvalidOption(InvalidInput):
    """An option has a value outside what is allowed."""


class UnknownStrategy(InvalidInput):
    """No strategy has that name."""


class UnknownModel(InvalidInput):
    """The server, or the table of known models, does not have that model."""


class PromptTooLong(InvalidInput):
    """The prompt does not fit into the model's context."""


class BudgetExceeded(ItsAgentError, RuntimeError):
    """A reservation asks for more than is left of one limit."""

    def __init__(self, *, limit: str, requested: float, remaining: float, scope: str) -> None:
        self.limit = limit
        self.requested = requested
        self.remaining = remaining
        self.scope = scope
        super().__init__(
            f"{scope} budget: {requested:g} {limit} requested, {max(remaining, 0):g} left"
        )


class BackendError(ItsAgentError):
    """The backend could not do what was asked."""


class BackendUnreachable(BackendError):
    """Nothing answers at the backend's address."""


class BackendRefused(BackendError):
    """The server answered with an error status."""

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""
        super().__init__(message)


class CannotDo(BackendRefused):
    """The server refused a parameter; `capability` names what it cannot do."""

    def __init__(self, message: str, *, status: int, capability: str) -> None:
        self.capability = capability
        super().__init__(message, status=status)


class BackendGarbled(BackendError):
    """The server's answer is not what the protocol says."""


class BackendLost(BackendError):
    """The server went away in the middle of an answer."""


class ScriptExhausted(BackendError):
    """A scripted or recorded backend holds no more samples."""


class EngineError(ItsAgentError):
    """The embedded engine could not be started, found or stopped."""


class NoEngine(EngineError):
    """No engine is running and none was asked for."""


class MissingExtra(EngineError):
    """A package that an optional feature needs is not installed."""


class NotEnoughMemory(EngineError):
    """The machine has too little free memory for the model."""


class PortInUse(EngineError):
    """Another process listens on the port that was asked for."""


class EngineDied(EngineError):
    """The engine ended, or did not become ready in time."""


class ModelError(ItsAgentError):
    """A model could not be fetched or converted."""


class ChecksumMismatch(ModelError):
    """A downloaded file is not the one that was expected."""


class SolveFailed(ItsAgentError):
    """The run spent compute and has no candidate; `receipt` says what was paid."""

    def __init__(self, message: str, *, receipt: Receipt) -> None:
        self.receipt = receipt
        super().__init__(message)
