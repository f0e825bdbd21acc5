"""Step-level search as ask/tell over an explicit tree: beam and best-first (A*)."""
