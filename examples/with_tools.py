"""An agent with a tool that only reads: every attempt calls it by itself, and the answers vote."""

from its_agent import Agent
from its_agent.tools import read_only


@read_only
def multiply(a: int, b: int) -> int:
    """Multiply two whole numbers."""
    return a * b


agent = Agent(tools=[multiply], max_tokens=200)
solution = agent.solve("How much is 123 times 77, by the tool?", max_compute_budget=3_000)
agent.close()

print(solution.answer, solution.status)
for candidate in solution.candidates:
    print(candidate.answer, [turn["content"] for turn in candidate.turns if turn["role"] == "tool"])
