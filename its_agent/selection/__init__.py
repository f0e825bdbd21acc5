"""From candidates to one answer: votes, best_of, and stopping (when a vote is settled)."""
