"""Your own vLLM server: python examples/own_server.py http://localhost:8000

Sampling settings given here are kept on every path.
"""

import sys

from its_agent import Agent, Budget
from its_agent.backends import VLLMBackend

backend = VLLMBackend(sys.argv[1], sampling={"top_k": 40}, max_concurrency=32)
agent = Agent(backend, strategy="self_consistency", max_tokens=200)

solution = agent.solve("What is 15% of 80?", max_compute_budget=Budget(compute=600, requests=10))
agent.close()

print(solution.answer, f"{len(solution.candidates)} candidates")
print(solution.receipt.to_json())
