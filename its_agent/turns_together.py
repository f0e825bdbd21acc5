"""What the turns of a solve with tools come to together: one solution and one receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from its_agent.budget import Budget
from its_agent.call_votes import Called
from its_agent.ledger import Ledger
from its_agent.receipt import Receipt, StopReason
from its_agent.solution import Solution


def whole(
    told: Sequence[Called], notes: Sequence[str], ledger: Ledger, budget: Budget, reason: StopReason
) -> Solution:
    """The last turn's answer, and everything that all of them have used."""
    numbered, last = list(enumerate(told, start=1)), told[-1]
    candidates = [
        replace(one, id=f"t{number}{one.id}")
        for number, turn in numbered
        for one in turn.solution.candidates
    ]
    solution = replace(
        last.solution,
        candidates=tuple(candidates),
        receipt=_receipt(told, notes, ledger, budget, reason),
    )
    if not last.calls:
        return solution
    return replace(
        solution,
        answer=None,
        text="",
        confidence=0.0,
        status="abstained",
        reasons=("no turn came to an answer",),
    )


def _receipt(
    told: Sequence[Called], notes: Sequence[str], ledger: Ledger, budget: Budget, reason: StopReason
) -> Receipt:
    receipts = [turn.solution.receipt for turn in told]
    return replace(
        reduce(_together, receipts),
        budget=budget,
        spent=ledger.spent,
        by_purpose=ledger.by_purpose,
        stopped_because=reason,
        elapsed_seconds=ledger.elapsed,
        notes=(*(note for one in receipts for note in one.notes), *notes),
    )


def _together(before: Receipt, after: Receipt) -> Receipt:
    """What receipts count besides the ledger, added up."""
    return replace(
        after,
        steps=before.steps + after.steps,
        engine_prompt_tokens=before.engine_prompt_tokens + after.engine_prompt_tokens,
        unseen_tokens=before.unseen_tokens + after.unseen_tokens,
        estimated_tokens=before.estimated_tokens + after.estimated_tokens,
        retries=before.retries + after.retries,
        truncated=before.truncated + after.truncated,
    )
