"""Prompt templates, one .md file each, their loader, and the arms made of them."""

from its_agent.prompts.arms import ARMS, STRATEGY_ARMS, ask, ending, follow_up
from its_agent.prompts.templates import render, template_names

__all__ = ["ARMS", "STRATEGY_ARMS", "ask", "ending", "follow_up", "render", "template_names"]
