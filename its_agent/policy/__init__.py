"""What to buy next with what is left: the policies, and the strategies made of them."""

from its_agent.policy.protocol import Buy, Decision, Policy, Situation, Stop
from its_agent.policy.strategies import STRATEGIES, Strategy, strategy_named

__all__ = [
    "STRATEGIES",
    "Buy",
    "Decision",
    "Policy",
    "Situation",
    "Stop",
    "Strategy",
    "strategy_named",
]
