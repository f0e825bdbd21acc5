"""Many problems inside one total: easy ones end early and leave what they save to the others."""

from its_agent import Agent, Solution

QUESTIONS = ["What is 17 + 25?", "What is 12 * 12?", "What is 91 / 7?"]

agent = Agent()
results = agent.batch(QUESTIONS, max_compute_budget=1_000, total_compute_budget=2_000)
agent.close()

for question, result in zip(QUESTIONS, results, strict=True):
    if isinstance(result, Solution):
        print(question, result.answer, result.receipt.spent.compute)
    else:
        print(question, "failed:", result)
