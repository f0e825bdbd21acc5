"""What is told of a request when it is sent and when it is settled, where anybody listens."""

from __future__ import annotations

from its_agent.backends.bill import Bill
from its_agent.backends.protocol import Request
from its_agent.errors import BackendError
from its_agent.events import Emitter, Requested, Spent


def tell_request(emit: Emitter, number: int, request: Request, *, purpose: str, model: str) -> None:
    """Tell what is asked for, and of whom."""
    emit(
        Requested,
        request=number,
        purpose=purpose,
        model=model,
        messages=request.messages,
        samples=request.n,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        stop=request.stop,
    )


def tell_bill(
    emit: Emitter, number: int, bill: Bill, *, purpose: str, failure: BackendError | None
) -> None:
    """Tell what a request brought and cost."""
    if not emit.is_heard:
        return
    samples = bill.samples
    emit(
        Spent,
        request=number,
        purpose=purpose,
        usage=bill.usage,
        texts=tuple(sample.thinking + sample.text for sample in samples),
        finishes=tuple(sample.finish for sample in samples),
        failure=said(failure),
    )


def said(failure: BackendError | None) -> str | None:
    """An error's class and what it says."""
    return None if failure is None else f"{type(failure).__name__}: {failure}"
