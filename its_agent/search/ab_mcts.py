"""AB-MCTS-A: adaptive branching, wider or deeper by Thompson sampling (arXiv 2503.04412)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from its_agent.search import waves
from its_agent.search.evidence import (
    LOG_PROBABILITY,
    Branch,
    Evidence,
    check_bounded,
    complete,
    survey,
)
from its_agent.search.posteriors import Gaussian, Prior
from its_agent.search.state import Expansion, SearchState, at_least
from its_agent.search.tree import ROOT, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class ABMCTS:
    """At every node from the root down, draw whether a new child or one of those there promises
    more, and sample one continuation of the node where a new child wins.

    "New child" is judged by the rewards of the node's children, "go on" by those below them, and
    among the children each by its own reward and those below it; all start from `prior`. A wave has
    up to `batch` such draws: one that goes into a child that has yet to come back is dropped, so
    that the first wave does not all go to the root. Ends after `samples` continuations.

    Nodes are steps, and complete ones are not continued; at `max_depth` steps the continuation runs
    to the end, and so do the last `batch` samples while nothing is complete. With `whole_answers`
    every node is an answer of its own, and a child of a complete one is a refinement of it. Equal
    siblings are one child. A node whose continuations all fail is asked for again `retries` times,
    the root as often for every one of a batch. The draws depend on `seed` and on the tree alone.
    """

    samples: int = 64
    batch: int = 1
    prior: Prior = Gaussian()
    whole_answers: bool = False
    max_depth: int = 40
    retries: int = 1
    seed: int = 0
    score_range: tuple[float, float] = LOG_PROBABILITY

    def __post_init__(self) -> None:
        at_least(1, samples=self.samples, batch=self.batch, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_bounded(self.score_range)

    start = waves.start
    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def plan(self, state: SearchState) -> SearchState:
        """Draw where the next continuations are sampled; no wave when `samples` are used up."""
        view = survey(state.tree, self.score_range)
        left = self.samples - len(state.tree.nodes()) + 1
        random = Random(f"{self.seed}:{len(state.tree.nodes())}")
        drawn: Counter[str] = Counter()
        draws = min(self.batch, left) if self._open(view[ROOT]) else 0
        for _ in range(draws):
            drawn.update(self._descend(view[ROOT], drawn, random))
        to_end = self.whole_answers or (left <= self.batch and not state.tree.done_leaves())
        wave = [self._expand(state.tree.node(id), drawn[id], to_end) for id in drawn]
        return replace(state, wave=tuple(wave), solved=complete(view))

    def _descend(self, branch: Branch, drawn: Mapping[str, int], random: Random) -> tuple[str, ...]:
        """The node to continue; none where the way leads into a child that is under way."""
        while True:
            known = [child for child in branch.children if self._open(child)]
            under_way = drawn.get(branch.node.id, 0)
            if not (known or under_way) or self._widens(branch, random):
                return (branch.node.id,)
            seen = [*(child.subtree for child in known), *[Evidence()] * under_way]
            chosen = self._most_promising(seen, random)
            if chosen >= len(known):
                return ()
            branch = known[chosen]

    def _widens(self, branch: Branch, random: Random) -> bool:
        return self._most_promising([branch.generated, branch.continued], random) == 0

    def _most_promising(self, seen: Sequence[Evidence], random: Random) -> int:
        """The place of the evidence whose belief gives the highest draw."""
        draws = [self.prior.given(evidence).draw(random) for evidence in seen]
        return draws.index(max(draws))

    def _open(self, branch: Branch) -> bool:
        """Whether the node may get another child."""
        node = branch.node
        if node.depth >= self.max_depth or (node.done and not self.whole_answers):
            return False
        tries = (self.retries + 1) * (self.batch if node.id == ROOT else 1)
        return bool(branch.children) or branch.asked < tries

    def _expand(self, node: Node, width: int, to_end: bool) -> Expansion:
        to_end = to_end or node.depth + 1 >= self.max_depth
        return Expansion(node=node.id, width=width, to_end=to_end)
