"""What exact checks do to a vote: who fails has no vote, and who passes has won."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from its_agent.selection.judgement import Judgement
from its_agent.verifiers import Result, Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The clusters that may vote, and why."""

    clusters: list[int | None]
    passed_by: str | None = None
    failed: int = 0
    broken: tuple[str, ...] = ()

    def applied_to(self, judgement: Judgement) -> Judgement:
        """The judgement on these clusters, with what the checks say of its answer."""
        if self.passed_by is None and not self.failed and not self.broken:
            return judgement
        reasons = judgement.verdict.reasons
        if self.passed_by is not None:
            reasons = (f"{self.passed_by!r} passes this answer", *reasons)
        if self.failed:
            reasons += (f"{self.failed} samples failed the checks and did not vote",)
        reasons += tuple(f"the check {name!r} broke and said nothing" for name in self.broken)
        verdict = replace(judgement.verdict, reasons=reasons)
        if self.passed_by is not None:
            verdict = replace(verdict, confidence=1.0, status="verified", settled=True)
        return replace(judgement, verdict=verdict)


def check(
    answers: Sequence[str | None], clusters: Sequence[int | None], verifiers: Sequence[Verifier]
) -> Checked:
    """Ask the verifiers about every answer; the first one that passes or fails it decides."""
    if not verifiers:
        return Checked(clusters=list(clusters))
    said = {answer: decide(answer, verifiers) for answer in set(answers) if answer is not None}
    results = [None if answer is None else said[answer] for answer in answers]
    winner = next((r for r in results if r and r.result == "pass"), None)
    voting = ("pass",) if winner else ("unknown",)
    return Checked(
        clusters=[
            cluster if r and r.result in voting else None
            for cluster, r in zip(clusters, results, strict=True)
        ],
        passed_by=winner.name if winner else None,
        failed=sum(bool(r and r.result == "fail") for r in results),
        broken=tuple(sorted({name for r in results if r for name in r.broken})),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the verifiers together make of one answer."""

    result: Result
    name: str
    broken: tuple[str, ...] = ()


def decide(answer: str, verifiers: Sequence[Verifier]) -> Decision:
    """Go by the first verifier that knows."""
    broken: list[str] = []
    for verifier in verifiers:
        result = verifier.check(answer)
        if result in ("pass", "fail"):
            return Decision(result=result, name=verifier.name, broken=tuple(broken))
        if result == "broken":
            broken.append(verifier.name)
    return Decision(result="unknown", name="", broken=tuple(broken))
