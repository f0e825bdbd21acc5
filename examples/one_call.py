"""One call: the engine is the one at ITS_BASE_URL, or the one `its-agent model start` left."""

from its_agent import solve

QUESTION = (
    "Weng earns $12 an hour for babysitting. Yesterday, she just did 50 minutes of babysitting. "
    "How much did she earn?"
)

solution = solve(QUESTION, max_compute_budget=500)

print(solution.answer, solution.status, f"{solution.confidence:.0%}")
print(solution.receipt)
