"""Conversations in which tools can be called: one model turn, or attempts of several."""
