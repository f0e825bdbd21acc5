"""Strategies that pay a judge and choose by its scores, each with its paper. An agent's own scorers
take the judge's place."""

from __future__ import annotations

from its_agent.policy.fixed import WAVE, Repeat
from its_agent.policy.judged import EachWave, Leftovers
from its_agent.policy.strategy import ALTERNATIVES, JUDGE, SANDBOX, SCORE, Strategy
from its_agent.selection.by_checklist import Checklist
from its_agent.selection.by_tournament import TournamentPlace
from its_agent.selection.optscale import OptScale
from its_agent.selection.pandora import Pandora
from its_agent.selection.scored_rules import BestScored, ScoreWeighted
from its_agent.selection.stop_rules import BetaLead
from its_agent.verifiers import CodeT, GenerativeVerifier, OutputAgreement, PTrue, Rating

CONFIDENCE_TEMPERATURE = 0.2
"""Of the softmax over P(True); the paper tunes it for each model on problems with answers."""
MOST_VOTES = 16
"""Samples after which checks that reason are the better purchase, if the vote is not settled."""
UNIT_PRICE = 0.0001
"""Score that a compute unit is worth: a sample of 300 tokens pays if it is expected to raise the
best score by .03."""

JUDGED = (
    Strategy(
        name="cisc_p_true",
        summary="votes weighted by P(True), asked of the model itself (arXiv 2502.06233)",
        policy=Repeat(),
        rule=ScoreWeighted(signal=SCORE, temperature=CONFIDENCE_TEMPERATURE),
        scorers=(PTrue,),
        needs=ALTERNATIVES,
    ),
    Strategy(
        name="judge",
        summary="best-of-N by a judge's expected rating (arXiv 2303.16634)",
        policy=Repeat(),
        rule=BestScored(signal=SCORE),
        scorers=(Rating,),
        needs=JUDGE,
    ),
    Strategy(
        name="weighted_best_of_n",
        summary="votes weighted by a judge's expected rating (arXiv 2206.02336)",
        policy=Repeat(),
        rule=ScoreWeighted(signal=SCORE),
        scorers=(Rating,),
        needs=JUDGE,
    ),
    Strategy(
        name="generative_verifier",
        summary="up to 16 samples; unless they settle it, checks that reason (arXiv 2408.15240)",
        policy=Leftovers(policy=Repeat(wave=WAVE, until=BetaLead(), most=MOST_VOTES)),
        rule=BestScored(signal=SCORE),
        scorers=(GenerativeVerifier,),
    ),
    Strategy(
        name="tournament",
        summary="a knockout of the different answers, judged in pairs (arXiv 2411.19477)",
        policy=Repeat(),
        rule=BestScored(signal=SCORE),
        scorers=(TournamentPlace,),
        needs=ALTERNATIVES,
    ),
    Strategy(
        name="checklist",
        summary="a judge of all answers at once names the best (CHOPS, arXiv 2506.20544)",
        policy=Repeat(greedy_first=True),
        rule=BestScored(signal=SCORE),
        scorers=(Checklist,),
    ),
    Strategy(
        name="pandora",
        summary="waves until the best score is worth more than another sample (Weitzman 1979)",
        policy=EachWave(policy=Repeat(wave=WAVE, until=Pandora(price=UNIT_PRICE))),
        rule=BestScored(signal=SCORE),
        scorers=(PTrue,),
        needs=JUDGE,
        cost="until another sample is not worth its price",
    ),
    Strategy(
        name="optscale",
        summary="as many samples as make a good score likely (arXiv 2506.22376)",
        policy=EachWave(policy=Repeat(wave=WAVE, until=OptScale(threshold=0.9, quantile=0.1))),
        rule=BestScored(signal=SCORE),
        scorers=(PTrue,),
        needs=JUDGE,
        cost="until a good score is likely enough",
    ),
    Strategy(
        name="codet",
        summary="programs by who passes the same generated tests (arXiv 2207.10397)",
        policy=Repeat(),
        rule=BestScored(signal=SCORE),
        scorers=(CodeT,),
        needs=SANDBOX,
    ),
    Strategy(
        name="output_agreement",
        summary="programs that do the same on mutated inputs vote together (AlphaCode, 2203.07814)",
        policy=Repeat(),
        rule=BestScored(signal=SCORE),
        scorers=(OutputAgreement,),
        needs=SANDBOX,
    ),
)
