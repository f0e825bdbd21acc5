"""What to buy next with what is left: the policies, and the strategies made of them."""

from its_agent.policy.protocol import Buy, Decision, Policy, Situation, Stop
from its_agent.policy.strategies import STRATEGIES, strategy_named
from its_agent.policy.strategy import SCORE, Strategy

__all__ = [
    "SCORE",
    "STRATEGIES",
    "Buy",
    "Decision",
    "Policy",
    "Situation",
    "Stop",
    "Strategy",
    "strategy_named",
]
