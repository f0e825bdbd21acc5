"""What further samples are expected to bring, by drawing futures from the belief itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from its_agent.difficulty.answer_belief import (
    AnswerBelief,
    Habits,
    Joint,
    Tally,
    likeliest,
    posterior,
)

LOOK_AHEAD = (1, 2, 4, 8)
"""Numbers of further samples whose worth is looked at; that of a single one is often 0, as it
cannot change the answer."""
PATHS = 16
"""Futures that are drawn for each arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What buying more of one arm is expected to bring."""

    samples: int
    gain: float
    """Expected rise of the chance that the chosen answer is right."""


def prospects(
    belief: AnswerBelief,
    *,
    model: str | None = None,
    weight: float = 1.0,
    at_most: int = LOOK_AHEAD[-1],
    seed: int = 0,
) -> list[Prospect]:
    """What 1, 2, 4 or 8 more samples of a model, by default the first, each of so many votes, would
    bring; the same seed draws the same futures.

    The gain is by how much the answer that leads then is likelier than the one that leads now, both
    by what is known then: the latter's mean is what it is now, so nothing is lost, and futures in
    which the leader stays add no noise. It is told at the part that came true on recorded samples,
    `foresight`: right samples come more seldom late than these futures have it, and look less like
    right ones.
    """
    ahead = [k for k in LOOK_AHEAD if k <= at_most]
    asked = belief.first if model is None else model
    joint, chance = belief.joint(asking=asked), random.Random(seed)
    chances = joint.posterior
    leader, now = likeliest(chances)[0], _Now.of(joint, asked)
    totals = dict.fromkeys(ahead, 0.0)
    for right in _hypotheses(chances, chance) if ahead else ():
        for k, believed in _future(now, right, weight, ahead, chance):
            kept = 0.0 if leader is None else believed[leader]
            totals[k] += max(believed.values(), default=0.0) - kept
    foresight = joint.tallies[asked].habits.foresight
    return [Prospect(samples=k, gain=foresight * total / PATHS) for k, total in totals.items()]


def _hypotheses(chances: Mapping[int, float], chance: random.Random) -> list[int | None]:
    """PATHS draws of which answer is right, None for one that nobody gave yet: stratified, so that
    each comes as often as it should."""
    answers: list[int | None] = [*chances, None]
    shares = [*chances.values(), max(0.0, 1 - sum(chances.values()))]
    places = ((place + chance.random()) / PATHS for place in range(PATHS))
    return [_at(position, answers, shares) for position in places]


def _at(position: float, answers: Sequence[int | None], shares: Sequence[float]) -> int | None:
    passed = 0.0
    for answer, share in zip(answers, shares, strict=True):
        passed += share
        if position <= passed:
            return answer
    return answers[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """What all futures of one model begin with."""

    tally: Tally
    share: float
    """What part of it counts of what this model's samples say."""
    spread: float
    all_votes: dict[int, float]
    beside: dict[int, float]
    """What is known of each answer beside this model's own samples."""
    known: dict[int, float]
    """With them."""

    @classmethod
    def of(cls, joint: Joint, model: str) -> _Now:
        tally, share, beside = (
            joint.tallies[model],
            joint.shares[model],
            joint.evidence_beside(model),
        )
        known = {answer: told + share * tally.told(answer) for answer, told in beside.items()}
        return cls(
            tally=tally,
            share=share,
            spread=joint.spread,
            all_votes=joint.votes,
            beside=beside,
            known=known,
        )


def _future(
    now: _Now,
    right: int | None,
    weight: float,
    ahead: Sequence[int],
    chance: random.Random,
) -> Iterator[tuple[int, dict[int, float]]]:
    """Draw further samples where `right` is right, and say what is believed after each of the
    numbers `ahead`."""
    tally, habits, share = now.tally, now.tally.habits, now.share
    samples, votes, evidence = tally.samples, dict(tally.votes), dict(tally.evidence)
    all_votes, known = dict(now.all_votes), dict(now.known)
    unseen = min(all_votes, default=0) - 1
    is_right = unseen if right is None else right
    for number in range(1, ahead[-1] + 1):
        hits = tally.hits + votes.get(is_right, 0.0)
        answer: int | None
        if chance.random() < hits / (habits.strength + samples):
            answer, told = is_right, chance.gauss(*habits.right_evidence)
        else:
            answer, told = _wrong(all_votes, is_right, unseen - number, habits, now.spread, chance)
        samples += weight
        if answer is not None:
            votes[answer] = votes.get(answer, 0.0) + weight
            all_votes[answer] = all_votes.get(answer, 0.0) + share * weight
            evidence[answer] = evidence.get(answer, 0.0) + told
            own = share * habits.discounted(evidence[answer], votes[answer])
            known[answer] = now.beside.get(answer, 0.0) + own
        if number in ahead:
            yield (
                number,
                posterior(tally, samples, votes, all_votes, now.spread, known, share=share),
            )


def _wrong(
    votes: Mapping[int, float],
    right: int,
    new: int,
    habits: Habits,
    spread: float,
    chance: random.Random,
) -> tuple[int | None, float]:
    """A wrong sample: without an answer, with one that was given before, or with a new one."""
    if chance.random() < habits.silence:
        return None, 0.0
    told = chance.gauss(*habits.wrong_evidence)
    wrong = sum(votes.values()) - votes.get(right, 0.0)
    place = chance.random() * (spread + wrong)
    for answer, count in votes.items():
        if answer == right:
            continue
        place -= count
        if place < 0:
            return answer, told
    return new, told
