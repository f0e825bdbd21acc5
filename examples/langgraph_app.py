"""A LangGraph app with the agent as a node; somebody grants more compute where it is unsure."""

import asyncio

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from its_agent import Agent

QUESTION = "A shop sells 12 boxes of 6 eggs a day. How many eggs is that in a week?"
GRANT = 500
"""What this app grants when it is asked; an app with people would ask one of them."""


class App(MessagesState, total=False):
    """The conversation, and what a solve may use at first."""

    max_compute_budget: int


async def thank(state: App) -> App:
    """Whatever else the app does with the answer."""
    print("answer:", state["messages"][-1].content)
    return {"messages": []}


def app_of(agent: Agent) -> CompiledStateGraph[App, None, App, App]:
    """The app's graph, with a memory."""
    builder = StateGraph(App)
    builder.add_node("solver", agent.graph(approve=True))
    builder.add_node(thank)
    builder.add_edge(START, "solver")
    builder.add_edge("solver", "thank")
    builder.add_edge("thank", END)
    return builder.compile(checkpointer=InMemorySaver())


async def main() -> None:
    """Ask, and grant more once."""
    async with Agent() as agent:
        app = app_of(agent)
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        given = App(messages=[HumanMessage(QUESTION)], max_compute_budget=500)
        result = await app.ainvoke(given, thread)
        if "__interrupt__" in result:
            print("asked:", result["__interrupt__"][0].value["question"])
            result = await app.ainvoke(Command(resume=GRANT), thread)
        if "__interrupt__" in result:
            result = await app.ainvoke(Command(resume=0), thread)
    print("sure to:", f"{result['messages'][-1].response_metadata['confidence']:.0%}")


if __name__ == "__main__":
    asyncio.run(main())
