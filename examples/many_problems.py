"""One agent for many problems, in an event loop of your own."""

import asyncio

from its_agent import Agent, Budget

QUESTIONS = (
    "What is 17 + 25?",
    "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total?",
    [
        {"role": "system", "content": "You are a careful accountant."},
        {"role": "user", "content": "I pay 19 a month. How much is that in a year?"},
    ],
)


async def main() -> None:
    async with Agent() as agent:
        budget = Budget(compute=500, seconds=120)
        solutions = await asyncio.gather(
            *(agent.asolve(question, max_compute_budget=budget) for question in QUESTIONS)
        )
    for solution in solutions:
        spent = solution.receipt.spent
        print(solution.answer, solution.status, spent.compute, spent.requests)


asyncio.run(main())
