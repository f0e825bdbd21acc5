"""From candidates to one answer: votes, their weights, and when a vote is settled."""
