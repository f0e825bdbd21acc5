"""From a reward model's labels to one number."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from its_agent.backends.pooling import Logits
from its_agent.errors import BackendGarbled, InvalidOption

Activation: TypeAlias = Literal["softmax", "sigmoid", "none"]
"""What makes a probability of the labels: softmax over two or more of them, sigmoid of the only
one; "none" leaves the only one as it is, a reward without bounds."""


def check_label(activation: Activation, good_label: int) -> None:
    """Raise InvalidOption for an unknown activation, and for a label that cannot be."""
    if activation not in ("softmax", "sigmoid", "none"):
        raise InvalidOption(f"activation must be softmax, sigmoid or none, got {activation!r}")
    if good_label < 0:
        raise InvalidOption(f"good_label counts the labels from 0, got {good_label}")


def goodness(logits: Logits, activation: Activation, good_label: int) -> float:
    """The probability of the good label, or the only label's own number.

    Raises BackendGarbled for a model with another number of labels.
    """
    if activation == "softmax":
        if len(logits) < 2 or good_label >= len(logits):
            raise _unfit(logits, f"softmax needs at least {max(2, good_label + 1)}")
        most = max(logits)
        weights = [math.exp(logit - most) for logit in logits]
        return weights[good_label] / sum(weights)
    if len(logits) != 1:
        raise _unfit(logits, f"activation={activation!r} needs exactly 1")
    return logits[0] if activation == "none" else _sigmoid(logits[0])


def _sigmoid(logit: float) -> float:
    small = math.exp(-abs(logit))
    return (1.0 if logit >= 0 else small) / (1.0 + small)


def _unfit(logits: Logits, needs: str) -> BackendGarbled:
    return BackendGarbled(f"the reward model gives {len(logits)} labels where {needs}")
