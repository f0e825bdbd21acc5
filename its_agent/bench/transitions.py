"""What refining does to drafts: right ones made wrong, and wrong ones made right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from its_agent.bench.problems import is_right
from its_agent.bench.runs import Run
from its_agent.bench.stats import Interval, mcnemar, wilson

REFINES = ("refine",)
"""Strategies whose first candidate is a draft that the others improve on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Runs by whether their draft and their final answer are right.

    As a Markov chain of two states, refining pays where more drafts are mended than spoiled.
    """

    kept_right: int = 0
    spoiled: int = 0
    """The draft was right, the final answer is wrong."""
    mended: int = 0
    """The draft was wrong, the final answer is right."""
    kept_wrong: int = 0

    @property
    def runs(self) -> int:
        """Runs that have a draft."""
        return self.kept_right + self.spoiled + self.mended + self.kept_wrong

    @property
    def drafts_right(self) -> int:
        """Drafts that are right."""
        return self.kept_right + self.spoiled

    @property
    def drafts_wrong(self) -> int:
        """Drafts that are wrong, or have no answer."""
        return self.mended + self.kept_wrong

    @property
    def finals_right(self) -> int:
        """Final answers that are right."""
        return self.kept_right + self.mended

    @property
    def spoiling(self) -> Interval:
        """The 95% Wilson interval of the share of right drafts that are spoiled."""
        return wilson(self.spoiled, self.drafts_right)

    @property
    def mending(self) -> Interval:
        """The 95% Wilson interval of the share of wrong drafts that are mended."""
        return wilson(self.mended, self.drafts_wrong)

    @property
    def p(self) -> float:
        """The exact McNemar p-value of the final answers against the drafts."""
        return mcnemar(self.mended, self.spoiled)


def transitions(runs: Iterable[Run]) -> Transitions:
    """Count the runs; those that ended before a draft have nothing to compare, and are left out."""
    drafted = (run for run in runs if run.candidates)
    seen = Counter((_draft_right(run), run.correct) for run in drafted)
    return Transitions(
        kept_right=seen[True, True],
        spoiled=seen[True, False],
        mended=seen[False, True],
        kept_wrong=seen[False, False],
    )


def _draft_right(run: Run) -> bool:
    first = run.candidates[0]
    return is_right(first.answer, run.gold) if first.right is None else first.right
