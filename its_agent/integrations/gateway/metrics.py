"""What a Prometheus server reads of a gateway; no label holds anything that a client wrote."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)


class Metrics:
    """The counters of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._solves = Counter(
            "its_solves",
            "Solves that ended: answered, failed, or aborted by their client.",
            ("strategy", "status", "stopped_because"),
            registry=self._registry,
        )
        self._compute = Counter(
            "its_compute_units",
            "Compute units spent, those of failed and aborted solves included.",
            ("strategy",),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "its_solve_seconds",
            "Seconds that a solve took.",
            ("strategy",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge("its_solves_in_flight", "Solves under way.", registry=self._registry)
        self._refusals = Counter(
            "its_refusals",
            "Requests that got no answer.",
            ("status", "code"),
            registry=self._registry,
        )

    def solved(
        self, *, strategy: str, status: str, stopped_because: str, compute: int, seconds: float
    ) -> None:
        """Count a solve that has ended."""
        self._solves.labels(strategy, status, stopped_because).inc()
        self._compute.labels(strategy).inc(compute)
        self._seconds.labels(strategy).observe(seconds)

    def refused(self, status: int, code: str) -> None:
        """Count a request that got no answer."""
        self._refusals.labels(str(status), code).inc()

    def page(self) -> bytes:
        """All counters, in Prometheus' text format."""
        return generate_latest(self._registry)
