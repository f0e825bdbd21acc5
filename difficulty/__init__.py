"""How likely one sample is right: a Beta belief, and the sources that inform it."""

from its_agent.difficulty.belief import Belief, Evidence

SOURCES = ("text_features", "self_report", "first_wave")
"""Every source of evidence, in the order of their price; each can be switched off."""

__all__ = ["SOURCES", "Belief", "Evidence"]
