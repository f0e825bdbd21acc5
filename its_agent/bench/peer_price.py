"""What a peer's run cost: the engine's counters, priced by the rule that holds for its_agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from its_agent.backends.counters import EngineCounters
from its_agent.backends.protocol import Tokens
from its_agent.bench.tap import Call
from its_agent.budget import Usage, compute_units

GENERATE, VERIFY = "generate", "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Usage by purpose, and the counts it comes from.

    Generated tokens are those that the engine counted, cancelled requests' included. A prompt is
    charged once a run however many samples were drawn from it, as its_agent is charged for the
    samples of a request, less what the cache held before; the engine's own count, which reads a
    prompt's last block anew for each sample, is kept beside it.
    """

    by_purpose: Mapping[str, Usage]
    counted: EngineCounters
    told: Tokens
    """Added up over the answers; a prompt counts once for every sample."""
    requests: int
    untold: int
    """Requests that were cancelled or refused."""

    @property
    def spent(self) -> Usage:
        """The sum over the purposes."""
        return sum(self.by_purpose.values(), Usage())

    @property
    def engine_compute(self) -> int:
        """Prompt tokens less cache hits, and generated tokens, all as the engine counts them."""
        return compute_units(
            prompt=self.counted.prompt_tokens,
            cached=self.counted.prefix_cache_hits,
            completion=self.counted.generation_tokens,
        )


def price(calls: Sequence[Call], counted: EngineCounters, *, seconds: float) -> Price:
    """Price the requests of a run, between whose start and end the engine counted so much.

    Tokens that no answer told are those of the cancelled requests, of samples if there are any.
    """
    told = _added(calls)
    whole = _filled(calls, counted, told)
    usage = {
        GENERATE: _usage([call for call in whole if call.is_sample]),
        VERIFY: _usage([call for call in whole if not call.is_sample]),
    }
    # Whatever stays unexplained is the run's, whoever caused it.
    rest = counted.generation_tokens - sum(one.completion_tokens for one in usage.values())
    usage[GENERATE] += Usage(completion_tokens=rest, compute=rest, seconds=seconds)
    return Price(
        by_purpose={purpose: one for purpose, one in usage.items() if one != Usage()},
        counted=counted,
        told=told,
        requests=len(calls),
        untold=sum(call.tokens is None for call in calls),
    )


def _added(calls: Sequence[Call]) -> Tokens:
    told = [(call.n, call.tokens) for call in calls if call.tokens is not None]
    return Tokens(
        prompt=sum(n * one.prompt for n, one in told),
        cached_prompt=sum(one.cached_prompt for _, one in told),
        completion=sum(one.completion for _, one in told),
    )


def _filled(calls: Sequence[Call], counted: EngineCounters, told: Tokens) -> list[Call]:
    """Give each request that told nothing its share of the prompt tokens that nobody told, and the
    generated ones to the first of them."""
    untold = sorted((c for c in calls if c.tokens is None), key=lambda call: not call.is_sample)
    samples = sum(call.n for call in untold)
    if not samples:
        return list(calls)
    prompt = max(0, counted.prompt_tokens - told.prompt) // samples
    completion = max(0, counted.generation_tokens - told.completion)
    known = {call.prompt for call in calls if call.tokens is not None}
    shares = [
        # What an answer told of the same prompt goes before a share.
        Tokens(prompt=0 if call.prompt in known else prompt, cached_prompt=0, completion=0)
        for call in untold
    ]
    shares[0] = replace(shares[0], completion=completion)
    guessed = [replace(call, tokens=share) for call, share in zip(untold, shares, strict=True)]
    return [*(call for call in calls if call.tokens is not None), *guessed]


def _usage(calls: Sequence[Call]) -> Usage:
    def prompt(call: Call) -> str:
        return call.prompt

    spent = Usage()
    for _, same in groupby(sorted(calls, key=prompt), key=prompt):
        spent += _of_one_prompt(list(same))
    return spent


def _of_one_prompt(calls: Sequence[Call]) -> Usage:
    tokens = [call.tokens for call in calls if call.tokens is not None]
    read = max(one.prompt for one in tokens)
    # With n > 1 the engine also reports what the samples cached for one another.
    cached = min(
        call.tokens.cached_prompt if call.n == 1 or call.read_before else 0
        for call in calls
        if call.tokens is not None and call.tokens.prompt == read
    )
    completion = sum(one.completion for one in tokens)
    return Usage(
        prompt_tokens=read,
        cached_prompt_tokens=cached,
        completion_tokens=completion,
        requests=len(calls),
        compute=compute_units(prompt=read, cached=cached, completion=completion),
    )
