"""What of a request fits: into the model's context, and into what a ledger has left."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

from its_agent.backends.protocol import Request
from its_agent.budget import Usage, compute_units
from its_agent.errors import BudgetExceeded, PromptTooLong
from its_agent.ledger import Ledger, Remaining

MIN_TOKENS = 16
"""A sample is not bought with less room than this, unless the request itself asks for less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """Shrinks requests to one model's context and one ledger."""

    ledger: Ledger
    context: int
    relative_cost: float

    def fit(self, prompt: int, request: Request, left: Remaining) -> tuple[Request, Usage]:
        """The request with fewer samples, then a lower `max_tokens`, until it fits, and its worst
        case. Raises PromptTooLong and BudgetExceeded where it cannot."""
        least = min(MIN_TOKENS, request.max_tokens)
        room = self.context - prompt
        if room < least:
            raise PromptTooLong(
                f"the prompt has {prompt:,} tokens and the model's context {self.context:,}; "
                f"at least {least} must be left for the answer: shorten the problem"
            )
        request = replace(request, max_tokens=min(request.max_tokens, room))
        while request.n > 1 and self._shortfall(prompt, request, left):
            request = replace(request, n=request.n - 1)
        if self._shortfall(prompt, request, left):
            request = self._shorter(prompt, request, least, left)
        return request, self.worst(prompt, request)

    def fits_whole(self, prompt: int, request: Request) -> bool:
        """Whether the request fits at this moment as it is, with nobody in line before it."""
        has_room = request.max_tokens <= self.context - prompt
        return has_room and self.ledger.has_at_once(self.worst(prompt, request))

    def worst(self, prompt: int, request: Request) -> Usage:
        """What the request can cost at most."""
        completion = request.n * request.max_tokens
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            requests=1,
            compute=compute_units(
                prompt=prompt,
                cached=0,
                completion=completion,
                relative_cost=self.relative_cost,
            ),
        )

    def read_again(self, prompt: int) -> Usage:
        """What a further try costs before its first token."""
        price = compute_units(
            prompt=prompt, cached=0, completion=0, relative_cost=self.relative_cost
        )
        return Usage(prompt_tokens=prompt, compute=price)

    def _shorter(self, prompt: int, request: Request, least: int, left: Remaining) -> Request:
        shortfall = self._shortfall(prompt, replace(request, max_tokens=least), left)
        if shortfall is not None:
            raise shortfall
        longest = bisect_left(
            range(least + 1, request.max_tokens + 1),
            True,
            key=lambda m: self._shortfall(prompt, replace(request, max_tokens=m), left) is not None,
        )
        return replace(request, max_tokens=least + longest)

    def _shortfall(self, prompt: int, request: Request, left: Remaining) -> BudgetExceeded | None:
        return self.ledger.shortfall(self.worst(prompt, request), left)
