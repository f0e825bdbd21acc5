"""From candidates to one answer: votes and rules that choose, tournaments, and when to stop."""
