"""A LangChain agent with a tool, every step voted on, and one budget for the whole run."""

import os

from langchain.agents import create_agent  # pyright: ignore[reportUnknownVariableType]
from langchain.tools import tool
from langchain_core.messages import HumanMessage

from its_agent import Budget
from its_agent.integrations import BudgetMiddleware, ChatITS


@tool
def price(item: str) -> str:
    """Look up what an item costs, in euros."""
    return {"apple": "2", "pear": "3"}.get(item, "unknown")


model = ChatITS(os.environ["ITS_BASE_URL"], max_compute_budget=1_000, max_tokens=200)
budget = BudgetMiddleware(Budget(compute=4_000, seconds=120))
agent = create_agent(model, [price], middleware=[budget])

question = HumanMessage("What do two apples and two pears cost together?")
result = agent.invoke({"messages": [question]})

print(result["messages"][-1].text)
print("spent:", result["its_budget"]["spent"]["compute"], "of 4,000")
model.close()
