"""What the policy decides, with the prompt counted where its length can change that."""

from __future__ import annotations

from dataclasses import dataclass, replace

from its_agent.backends.protocol import PromptBound, Request
from its_agent.graphs.context import Context
from its_agent.graphs.conversation import usual_arm
from its_agent.graphs.sampling import prompt
from its_agent.graphs.situation import situation_of
from its_agent.graphs.state import State, with_prompt
from its_agent.policy import Decision, Situation, Stop
from its_agent.policy.judged import decide

IN_VAIN = Stop(reason="no_gain", why="the last purchase could not be made")
BY_SAMPLES = ("single_pass", "attempts")
"""Paths that do not look at the prompt's length themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision, and what it was made on."""

    state: State
    """As it was, with what is known of the prompt by now."""
    situation: Situation
    decision: Decision


async def decided(state: State, context: Context) -> Decided:
    """Ask the policy. Raises a BackendError, or BudgetExceeded when the time is up."""
    if state.prompt_is_bounded and state.steps:
        state = _known(state, context)
    found = _on(state, await situation_of(state, context), context)
    if not state.prompt_is_bounded or _stands(found, context):
        return found
    tokens = await context.door.count_prompt(_usual(state, context))
    state = with_prompt(state, PromptBound(tokens=tokens, is_exact=True))
    return _on(state, replace(found.situation, prompt_tokens=tokens), context)


def _on(state: State, situation: Situation, context: Context) -> Decided:
    fruitful = _fruitful(state, context)
    decision = decide(context.strategy.policy, situation) if fruitful else IN_VAIN
    return Decided(state=state, situation=situation, decision=decision)


def _stands(found: Decided, context: Context) -> bool:
    """Whether it is decided alike with the fewest tokens that the prompt can have and with the
    most: whatever they pay for, a length in between does."""
    decision = found.decision
    if not (isinstance(decision, Stop) or decision.path in BY_SAMPLES):
        return False
    shortest = replace(found.situation, prompt_tokens=0)
    return _on(found.state, shortest, context).decision == decision


def _known(state: State, context: Context) -> State:
    """The state with the prompt's count, if a usage has told it by now."""
    known = context.door.prompt_bound(_usual(state, context))
    return with_prompt(state, known) if known is not None and known.is_exact else state


def _usual(state: State, context: Context) -> Request:
    return Request(
        messages=prompt(state, context, usual_arm(state)),
        max_tokens=context.settings.max_tokens,
        thinking=context.settings.thinking,
    )


def _fruitful(state: State, context: Context) -> bool:
    """Whether the last purchase brought anything at all; the same one would fail again."""
    if not state.steps or state.steps[-1]["path"] == "judging":
        return True
    last = state.steps[-1]
    return bool(last["spent"]["compute"] > 0) or last["model"] in context.lost
