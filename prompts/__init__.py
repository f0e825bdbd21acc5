"""Prompt templates, one .md file each, their loader, and the arms made of them."""

from its_agent.prompts.arms import (
    ARMS,
    PROGRAM_ARM,
    STRATEGY_ARMS,
    ask,
    ending,
    follow_up,
    shown_first,
)
from its_agent.prompts.templates import render, template_names

__all__ = [
    "ARMS",
    "PROGRAM_ARM",
    "STRATEGY_ARMS",
    "ask",
    "ending",
    "follow_up",
    "render",
    "shown_first",
    "template_names",
]
