"""From the last state of a solve to its Solution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from its_agent.errors import SolveFailed
from its_agent.graphs.context import Context
from its_agent.graphs.state import Outcome, candidates_of, steps_of, verdict_of
from its_agent.receipt import Receipt, StopReason
from its_agent.solution import Candidate, Solution

TROUBLES: Mapping[StopReason, str] = {
    "backend_lost": "the backend was lost before the first sample",
    "deadline": "the time was up before the first sample",
    "cancelled": "the solve was stopped before the first sample",
}


def solution_of(state: Outcome, context: Context) -> Solution:
    """Make the solution; raises SolveFailed when the backend was lost, or the solve had to end,
    before any sample."""
    candidates = candidates_of(state)
    receipt = receipt_of(state, context, candidates)
    trouble = TROUBLES.get(receipt.stopped_because)
    if not candidates and trouble is not None:
        raise SolveFailed("; ".join((trouble, *receipt.notes)), receipt=receipt)
    verdict = verdict_of(state)
    if verdict is None:
        return Solution(
            answer=None,
            text="",
            confidence=0.0,
            status="abstained",
            reasons=("nothing was sampled",),
            candidates=(),
            receipt=receipt,
        )
    chosen = next((c for c in candidates if c.id == verdict.candidate_id), None)
    return Solution(
        answer=verdict.answer,
        text=chosen.text if chosen else "",
        confidence=verdict.confidence,
        status=verdict.status,
        reasons=verdict.reasons,
        candidates=candidates,
        receipt=receipt,
    )


def receipt_of(state: Outcome, context: Context, candidates: tuple[Candidate, ...]) -> Receipt:
    """Make the receipt from the live ledger."""
    ledger, settings, meter = context.ledger, context.settings, context.door.meter
    reason: StopReason = state.stopped_because or "complete"
    sampling = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_tokens,
    }
    effort = {"thinking": settings.thinking, "thinking_tokens": settings.thinking_tokens}
    sampling |= {name: asked for name, asked in effort.items() if asked is not None}
    engine = context.offer.fingerprint
    return Receipt(
        budget=ledger.budget,
        spent=ledger.spent,
        by_purpose=ledger.by_purpose,
        steps=steps_of(state),
        stopped_because=reason,
        engine=replace(engine, sampling={**engine.sampling, **sampling}),
        elapsed_seconds=ledger.elapsed,
        engine_prompt_tokens=meter.engine_prompt_tokens,
        unseen_tokens=meter.unseen_tokens,
        estimated_tokens=meter.estimated_tokens,
        retries=meter.retries,
        truncated=sum(c.finish == "length" for c in candidates),
        explored_nodes=state.explored_nodes,
        notes=(*(entry["text"] for entry in state.notes), *context.notes),
        engines={name: one.offer.fingerprint for name, one in context.models.items() if name},
        run_id=context.emit.run_id,
    )
