"""Watch a solve: every event says what is spent so far; the last one carries the solution."""

import asyncio

from its_agent import Agent
from its_agent.events import Judged, Routed, Solved

QUESTION = "A train goes 60 km in the first hour and 45 km in the second. How far did it go?"


async def main() -> None:
    async with Agent() as agent:
        async for event in agent.astream(QUESTION, max_compute_budget=800):
            match event:
                case Routed(path=path, samples=samples, why=why):
                    print(f"{event.spent.compute:>6}  {path}: {samples} samples, because {why}")
                case Judged(votes=votes):
                    print(f"{event.spent.compute:>6}  votes: {dict(votes)}")
                case Solved(solution=solution):
                    print(f"{event.spent.compute:>6}  answer: {solution.answer}")
                case _:
                    pass


asyncio.run(main())
