"""Scores by tournament: each answer's place after a judge has compared them two at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.budget import Usage
from its_agent.selection.knockout import Knockout
from its_agent.selection.tournament import Pair, Tournament, TournamentState
from its_agent.verifiers.pairwise import Preference
from its_agent.verifiers.protocol import Conversation, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class TournamentPlace:
    """Plays a tournament among the solutions, seeded in their order, and scores each by its place:
    1 for the winner, 0 for the last."""

    preference: Preference = Preference()
    tournament: Tournament = Knockout(comparisons=1)
    """A preference asks both orders itself."""
    name: str = "tournament"
    meaning: str = "place in a tournament, 1 for the winner and 0 for the last"
    compares: bool = True

    def typical(self, tokens: int) -> int:
        """One comparison for each different answer, which every other sample brings."""
        return self.preference.worst(tokens).compute // 2

    def worst(self, tokens: int) -> Usage:
        """One comparison: there is one less than solutions."""
        return self.preference.worst(tokens)

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Play it; where no comparison came off, nothing is known of any of them."""
        if not account.can("top_logprobs") and self.preference.judge is None:
            return ["unknown"] * len(conversations)
        state = self.tournament.start(len(conversations))
        silent: Reading = "unknown"
        while not self.tournament.finished(state):
            for pair, reading in await self._played(state, conversations, account):
                known = reading if isinstance(reading, float) else None
                silent = silent if known is not None else reading
                state = self.tournament.tell(state, pair, known)
        if all(told.preference is None for told in state.told):
            return [silent] * len(conversations)
        return _places(self.tournament.ranking(state))

    async def _played(
        self, state: TournamentState, conversations: Sequence[Conversation], account: Account
    ) -> list[tuple[Pair, Reading]]:
        pairs = self.tournament.ask(state)
        async with asyncio.TaskGroup() as group:
            playing = [
                group.create_task(
                    self.preference.of(
                        conversations[pair.first], conversations[pair.second], account
                    )
                )
                for pair in pairs
            ]
        return [(pair, task.result()) for pair, task in zip(pairs, playing, strict=True)]


def _places(ranking: Sequence[int]) -> list[Reading]:
    last = max(1, len(ranking) - 1)
    places = {entrant: 1 - place / last for place, entrant in enumerate(ranking)}
    return [places[entrant] for entrant in range(len(ranking))]
