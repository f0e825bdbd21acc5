"""`its-agent strategies`: what a budget can be spent on, by name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def strategies() -> None:
    """List the strategies: what each does, what it needs of the server, and what it uses."""
    from its_agent.policy import STRATEGIES

    table = Table("strategy", "what it does", "needs", "uses", box=None, pad_edge=False)
    for strategy in STRATEGIES.values():
        table.add_row(strategy.name, strategy.summary, strategy.needs, strategy.cost)
    console = Console()
    if not console.is_terminal:
        console.width = 200
    console.print(table)
