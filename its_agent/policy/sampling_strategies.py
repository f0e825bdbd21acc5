"""Strategies that take samples and choose among them, each with its paper."""

from __future__ import annotations

from its_agent.policy.adaptive import adaptive, thorough
from its_agent.policy.fixed import ESC_WINDOW, WAVE, Once, RefineOnly, Repeat, ThinkOnly
from its_agent.policy.strategy import ALTERNATIVES, CONTINUATION, LOGPROBS, SANDBOX, SCORE, Strategy
from its_agent.prompts import PROGRAM_ARM
from its_agent.selection import rules
from its_agent.selection.scored_rules import BestOfMajority, BestScored
from its_agent.selection.self_certainty import TOP
from its_agent.selection.stop_rules import BetaLead, UnanimousWave

SAMPLING = (
    Strategy(
        name="adaptive",
        summary="what is expected to bring more than its price; the point of the project",
        policy=adaptive,
        estimates=True,
        cost="until the vote is settled, or nothing more pays",
    ),
    Strategy(
        name="thorough",
        summary="the same, content with smaller gains: for the last points, at more compute",
        policy=thorough,
        estimates=True,
        cost="until the vote is settled, or hardly anything is to be gained",
    ),
    Strategy(name="single_pass", summary="one greedy sample", policy=Once(), cost="one sample"),
    Strategy(
        name="attempts",
        summary="waves of four samples until their vote is settled",
        policy=Repeat(wave=WAVE, until=BetaLead()),
        cost="until the vote is settled",
    ),
    Strategy(
        name="hedged_attempts",
        summary="the same, the greedy sample among the first four",
        policy=Repeat(wave=WAVE, greedy_first=True, until=BetaLead()),
        cost="until the vote is settled",
    ),
    Strategy(
        name="adaptive_consistency",
        summary="one wide wave, aborted once its vote is decided (arXiv 2305.11860)",
        logprobs=False,
        policy=Repeat(until=BetaLead()),
        rule=rules.majority,
        cost="until the vote is decided",
    ),
    Strategy(
        name="esc",
        logprobs=False,
        summary="windows of five samples until one is unanimous (arXiv 2401.10480)",
        policy=Repeat(wave=ESC_WINDOW, until=UnanimousWave(window=ESC_WINDOW)),
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
        summary="as many samples as the budget pays for, the likeliest or best-scored wins",
        policy=Repeat(),
        rule=rules.best_score,
        scored_rule=BestScored(signal=SCORE),
        needs=LOGPROBS,
    ),
    Strategy(
        name="best_of_majority",
        summary="the likeliest or best-scored sample of the frequent answers (arXiv 2510.03199)",
        policy=Repeat(),
        rule=rules.best_of_majority,
        scored_rule=BestOfMajority(signal=SCORE),
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
        needs=SANDBOX,
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
        name="refine",
        summary="improved by what checks say, else by one critique (arXiv 2504.01931, 2303.17651)",
        policy=RefineOnly(),
        rule=rules.latest,
        cost="until a check passes, or nothing is left to improve",
    ),
)
