"""A killed run goes on where it stood: nothing paid for is lost, nothing is refunded."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from its_agent import Agent, Solution, Usage
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption

EGGS = "How many eggs are there in 3 boxes of 6?"


def replies(request: Request, index: int) -> Reply:
    last = request.messages[-1]["content"]
    if "step by step" not in last and request.temperature == 0 and "wrong" in last.lower():
        return Reply(text="Check the product.", tokens=12)
    if request.stop and not request.continue_partial:
        return Reply(text=f"Step {index}.\n\n", tokens=10)
    return Reply(text=f"So it is \\boxed{{{index % 3}}}.", tokens=40)


def agent(backend: ScriptedBackend, saver: InMemorySaver, strategy: str, **more: object) -> Agent:
    return Agent(backend, strategy=strategy, checkpointer=saver, **more)  # type: ignore[arg-type]


async def killed_after(
    events: int, backend: ScriptedBackend, saver: InMemorySaver, strategy: str
) -> Solution | None:
    """Cancel a run hard once it has told so many events."""
    seen = 0
    async with agent(backend, saver, strategy) as made:
        stream = made.astream(EGGS, max_compute_budget=3000, thread_id="t")
        async for _ in stream:
            seen += 1
            if seen == events:
                await stream.aclose()
                return None
    return None


@pytest.mark.parametrize("strategy", ["adaptive", "refine", "beam", "self_consistency"])
@pytest.mark.parametrize("events", [1, 4, 7, 12, 17, 23, 31, 45])
async def test_a_killed_run_keeps_its_samples_and_its_bill(strategy: str, events: int) -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(replies, delay=0.0005)
    await killed_after(events, backend, saver, strategy)
    async with agent(backend, saver, strategy) as made:
        try:
            solution = await made.aresume("t")
        except InvalidOption:
            assert backend.generated_tokens == 0
            return
    receipt = solution.receipt
    assert receipt.spent.compute <= 3000
    assert receipt.spent.completion_tokens >= backend.generated_tokens
    assert sum(receipt.by_purpose.values(), Usage()).compute == receipt.spent.compute
    assert len({c.id for c in solution.candidates}) == len(solution.candidates)
