"""Live benchmarks: problems, runs of strategies on them, statistics and the page of results."""
