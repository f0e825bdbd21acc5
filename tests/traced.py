"""Traces for tests: real solves of scripted models, and a search of any size made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from its_agent.agent import Agent
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.budget import Budget, Usage
from its_agent.events import (
    Event,
    Generating,
    Judged,
    PartialSolution,
    Requested,
    Routed,
    Sampled,
    Searched,
    Spent,
    Started,
)
from its_agent.receipt import Fingerprint
from its_agent.solution import Candidate, Verdict
from its_agent.tool_calls import ToolCall
from its_agent.tools import read_only

HOSTILE = (
    "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
    "<!-- &lt;b&gt; \u2028 \ud800 -->"
)
"""What would run, load or break something wherever it is not taken for text."""
QUESTION = f"How many eggs are in 3 boxes of 6? {HOSTILE}"
PLAIN_QUESTION = "How many eggs are in 3 boxes of 6?"


def wavering(request: Request, index: int) -> Reply:
    """Mostly right, its texts hostile, and its searches end after two steps."""
    if request.choices:
        return Reply(text=request.choices[0], top_logprobs={request.choices[0]: -0.4})
    answer = (18, 18, 20, 18)[index % 4]
    if request.stop and not request.continue_partial:
        return Reply(text=f"Step {index}, {HOSTILE}\n\n", logprob=-0.1 * (index % 5 + 1))
    return Reply(text=f"It is {HOSTILE} so \\boxed{{{answer}}}.", logprob=-0.1 * (index % 3 + 1))


async def solved(strategy: str = "adaptive", *, question: str = PLAIN_QUESTION) -> list[Event]:
    """The events of a solve, all but the arrival of tokens."""
    heard: list[Event] = []
    backend = ScriptedBackend(wavering, model="tiny <i>model</i>")
    async with Agent(backend, strategy=strategy, on_event=heard.append) as agent:
        await agent.asolve(question, max_compute_budget=4000)
    return [event for event in heard if not isinstance(event, Generating)]


async def solved_with_tools() -> list[Event]:
    """The events of a solve whose attempts call a tool, and are told something hostile by it."""
    heard: list[Event] = []

    @read_only
    def count_eggs(boxes: int) -> str:
        """Count the eggs in so many boxes."""
        return f"{boxes * 6} {HOSTILE}"

    def script(request: Request, index: int) -> Reply:
        if request.messages[-1]["role"] == "tool":
            return Reply(text=r"It is \boxed{18}.", tokens=20)
        call = ToolCall(id="1", name="count_eggs", arguments='{"boxes": 3}')
        return Reply(text="", calls=(call,), tokens=9)

    backend = ScriptedBackend(script)
    async with Agent(backend, tools=[count_eggs], on_event=heard.append) as agent:
        await agent.asolve(PLAIN_QUESTION, max_compute_budget=4000)
    return [event for event in heard if not isinstance(event, Generating)]


def large(nodes: int = 5000) -> Iterator[Event]:
    """A solve whose search made so many nodes, a third of them complete, and was cut off."""
    now: dict[str, Any] = {"spent": Usage(), "held": Usage(), "elapsed": 0.0, "run_id": "large"}
    engine = Fingerprint(model="tiny", backend="scripted")
    yield Started(
        **now,
        messages=({"role": "user", "content": PLAIN_QUESTION},),
        answer_type="number",
        strategy="mcts",
        budget=Budget(compute=1_000_000),
        engine=engine,
    )
    yield Routed(**now, path="search", arm="mcts", samples=0, why="a search was asked for")
    made = _nodes(nodes)
    for place in range(0, nodes, 50):
        wave = made[place : place + 50]
        paid = Usage(prompt_tokens=30, completion_tokens=600, requests=1, compute=630)
        now = {**now, "spent": now["spent"] + paid, "elapsed": now["elapsed"] + 1.0}
        number = place // 50 + 1
        yield Requested(
            **now,
            request=number,
            purpose="search",
            model="tiny",
            messages=({"role": "user", "content": PLAIN_QUESTION},),
            samples=50,
            max_tokens=128,
            temperature=0.8,
            top_p=0.95,
        )
        yield Spent(
            **now,
            request=number,
            purpose="search",
            usage=paid,
            texts=tuple(node.text for node in wave),
            finishes=tuple("stop" for _ in wave),
        )
        yield Searched(**now, step=1, algorithm="mcts", nodes=tuple(wave), frontier=())
    for number, node in enumerate((node for node in made if node.done), 1):
        yield Sampled(**now, candidate=_candidate(number), node=node.id)
    verdict = Verdict(
        candidate_id="c1",
        answer="1",
        confidence=0.5,
        status="best_effort",
        settled=False,
        votes=9,
        reasons=(),
    )
    yield Judged(**now, verdict=verdict, votes=(("1", 0.6), ("2", 0.4)))


def _nodes(count: int) -> list[PartialSolution]:
    """Three children each, in order of depth."""
    made: list[PartialSolution] = []
    parents = ["0"]
    while len(made) < count:
        parent = parents.pop(0)
        for rank in range(3):
            id = f"{parent}.{rank}"
            parents.append(id)
            made.append(
                PartialSolution(
                    id=id,
                    text=f"Step {id}: there are {len(made)} eggs by now, and some are broken.\n\n",
                    score=(len(made) % 17) / 17,
                    done=len(made) > count / 2 and rank == 0,
                    failed=False,
                )
            )
    return made[:count]


def _candidate(number: int) -> Candidate:
    return Candidate(
        id=f"c{number}",
        text=f"So it is {number % 40}.",
        answer=str(number % 40),
        path="search",
        strategy="mcts@0.8",
        finish="stop",
        usage=Usage(completion_tokens=9),
        mean_logprob=-0.5,
    )
