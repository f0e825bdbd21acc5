"""Strategies by name: a policy, and the rule that picks the answer from its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from its_agent.errors import UnknownStrategy
from its_agent.policy.adaptive import adaptive
from its_agent.policy.fixed import ESC_WINDOW, WAVE, Once, RefineOnly, Repeat, SearchOnly, ThinkOnly
from its_agent.policy.protocol import Policy
from its_agent.prompts import PROGRAM_ARM
from its_agent.selection import rules
from its_agent.selection.rules import Rule
from its_agent.selection.self_certainty import TOP


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How to spend a budget, and how to choose from what it bought."""

    name: str
    summary: str
    """What it does, in one line, with its source."""
    policy: Policy
    rule: Rule = rules.weighted_vote
    estimates: bool = False
    """Ask for the difficulty first; fixed strategies have no use for it."""
    logprobs: bool = True
    """Log-probabilities of its samples are read: for the vote, and for a better confidence."""
    top_logprobs: int = 0
    """Alternatives that are read for every token of a sample."""
    runs_programs: bool = False
    """Its samples are programs, which are run in a sandbox."""
    needs: str = "nothing"
    """What the backend must be able to do, or the machine must have."""
    cost: str = "the whole budget"
    """What it uses of a budget."""


LOGPROBS = "log-probabilities"
ALTERNATIVES = "the log-probabilities of 20 alternatives"
CONTINUATION = "continuing a partial answer"
STEPS = "continuing a partial answer, log-probabilities"

_ALL = (
    Strategy(
        name="adaptive",
        summary="what pays next, by difficulty and what is left; the point of the project",
        policy=adaptive,
        estimates=True,
        cost="until the vote is settled, or nothing more pays",
    ),
    Strategy(name="single_pass", summary="one greedy sample", policy=Once(), cost="one sample"),
    Strategy(
        name="attempts",
        summary="waves of four samples until their vote is settled",
        policy=Repeat(wave=WAVE, until="settled"),
        cost="until the vote is settled",
    ),
    Strategy(
        name="adaptive_consistency",
        summary="one wide wave, aborted once its vote is decided (arXiv 2305.11860)",
        logprobs=False,
        policy=Repeat(until="settled"),
        rule=rules.majority,
        cost="until the vote is decided",
    ),
    Strategy(
        name="esc",
        logprobs=False,
        summary="windows of five samples until one is unanimous (arXiv 2401.10480)",
        policy=Repeat(wave=ESC_WINDOW, until="unanimous_wave"),
        rule=rules.majority,
        cost="until a window agrees",
    ),
    Strategy(
        name="self_consistency",
        logprobs=False,
        summary="as many samples as the budget pays for, one vote each (arXiv 2203.11171)",
        policy=Repeat(),
        rule=rules.majority,
    ),
    Strategy(
        name="cisc",
        summary="the same, votes weighted by log-probability (arXiv 2502.06233)",
        policy=Repeat(),
        needs=LOGPROBS,
    ),
    Strategy(
        name="rpc",
        summary="the same, weighted by probability, unlikely paths pruned (arXiv 2510.15444)",
        policy=Repeat(),
        rule=rules.perplexity_consistency,
        needs=LOGPROBS,
    ),
    Strategy(
        name="best_of_n",
        summary="as many samples as the budget pays for, the likeliest wins",
        policy=Repeat(),
        rule=rules.best_score,
        needs=LOGPROBS,
    ),
    Strategy(
        name="best_of_majority",
        summary="the likeliest sample of the frequent answers (arXiv 2510.03199)",
        policy=Repeat(),
        rule=rules.best_of_majority,
        needs=LOGPROBS,
    ),
    Strategy(
        name="self_certainty",
        summary="best-of-N by self-certainty, read from 20 alternatives (arXiv 2502.18581)",
        policy=Repeat(),
        rule=rules.self_certainty,
        top_logprobs=TOP,
        needs=ALTERNATIVES,
    ),
    Strategy(
        name="borda",
        summary="votes weighted by the rank of their self-certainty (arXiv 2502.18581)",
        policy=Repeat(),
        rule=rules.borda,
        top_logprobs=TOP,
        needs=ALTERNATIVES,
    ),
    Strategy(
        name="deepconf",
        summary="votes of the surest traces, by their least sure parts (arXiv 2508.15260)",
        policy=Repeat(),
        rule=rules.deepconf,
        top_logprobs=TOP,
        needs=ALTERNATIVES,
    ),
    Strategy(
        name="mbr",
        logprobs=False,
        summary="the text most like the others, a greedy one among them (arXiv 2506.20544)",
        policy=Repeat(greedy_first=True),
        rule=rules.minimum_bayes_risk,
    ),
    Strategy(
        name="program_of_thought",
        logprobs=False,
        summary="programs that print the answer, one vote each (arXiv 2211.12588)",
        policy=Repeat(arm=PROGRAM_ARM),
        rule=rules.majority,
        runs_programs=True,
        needs="a sandbox (bubblewrap)",
    ),
    Strategy(
        name="plan_then_solve",
        logprobs=False,
        summary="a plan and its execution in each sample, one vote each (arXiv 2305.04091)",
        policy=Repeat(arm="plan_then_solve"),
        rule=rules.majority,
    ),
    Strategy(
        name="re_reading",
        logprobs=False,
        summary="the question put twice, one vote for each sample (arXiv 2309.06275)",
        policy=Repeat(arm="re_reading"),
        rule=rules.majority,
    ),
    Strategy(
        name="refine",
        summary="a solution, then critiques and improvements until they end (arXiv 2303.17651)",
        policy=RefineOnly(),
        rule=rules.latest,
        cost="until a critique finds nothing",
    ),
    Strategy(
        name="budget_forcing",
        summary="one trace, whose end is taken back or forced (arXiv 2501.19393)",
        policy=ThinkOnly(algorithm="budget_forcing"),
        needs=CONTINUATION,
        cost="one sample",
    ),
    Strategy(
        name="early_exit",
        summary="one trace, ended once probes of its answer agree (arXiv 2412.20993)",
        policy=ThinkOnly(algorithm="early_exit"),
        needs=CONTINUATION,
        cost="one sample, and its probes",
    ),
    Strategy(
        name="search",
        summary="tree search over steps, by beam",
        policy=SearchOnly(),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="beam",
        summary="beam search over steps, scored by log-probability (arXiv 2408.03314)",
        policy=SearchOnly(algorithm="beam"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="a_star",
        summary="best-first search over steps by cost so far and to go (arXiv 2505.13672)",
        policy=SearchOnly(algorithm="a_star"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="dvts",
        summary="independent greedy subtrees, whose ends vote (search-and-learn)",
        policy=SearchOnly(algorithm="dvts"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="rebase",
        summary="width shared by the softmax of step scores (arXiv 2408.00724)",
        policy=SearchOnly(algorithm="rebase"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="particle_filter",
        summary="partial solutions resampled by step score (arXiv 2502.01618)",
        policy=SearchOnly(algorithm="particle_filter"),
        needs=STEPS,
        cost="until all particles are done",
    ),
    Strategy(
        name="entropic_particle_filter",
        summary="the same, less sure of early scores",
        policy=SearchOnly(algorithm="entropic_particle_filter"),
        needs=STEPS,
        cost="until all particles are done",
    ),
)
STRATEGIES: Mapping[str, Strategy] = MappingProxyType({one.name: one for one in _ALL})


def strategy_named(name: str) -> Strategy:
    """Find a strategy. Raises UnknownStrategy, which lists the known ones."""
    if name not in STRATEGIES:
        raise UnknownStrategy(f"unknown strategy {name!r}; known: {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
