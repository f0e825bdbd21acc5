"""Thinking: taking it apart from the answer, and ways to make a model think longer or less long."""
