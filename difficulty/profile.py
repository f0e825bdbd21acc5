"""What was learnt of a model's samples: a small file for each model, and one for unknown models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from its_agent.difficulty.answer_belief import Habits, Tally
from its_agent.difficulty.sample_features import NAMES, Asked, sample_features
from its_agent.errors import InvalidOption

DEFAULT = "default"
"""The profile of models that have none of their own."""
TYPICAL_WORDS = 45
"""Of a question, where the prior is its intercept alone."""

USUAL_FORESIGHT = 0.4
"""What part of expected gains comes true, where that was not measured."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prior(_Part):
    """Logistic in log(words / TYPICAL_WORDS): the chance that a sample is right, before any."""

    intercept: float
    slope: float


class Evidence(_Part):
    """Logistic over a sample's features, as the log-likelihood ratio that it adds."""

    names: tuple[str, ...] = NAMES
    mean: tuple[float, ...]
    scale: tuple[Positive, ...]
    weights: tuple[float, ...]
    offset: float
    """The intercept less the log-odds of all samples together."""
    right: tuple[float, float]
    """Mean and standard deviation of the ratio over right samples."""
    wrong: tuple[float, float]

    @model_validator(mode="after")
    def _is_of_known_features(self) -> Self:
        unknown = [name for name in self.names if name not in NAMES]
        if unknown:
            raise ValueError(f"unknown features {unknown}; known are {', '.join(NAMES)}")
        if {len(self.mean), len(self.scale), len(self.weights)} != {len(self.names)}:
            raise ValueError("names, mean, scale and weights are of different lengths")
        return self

    @cached_property
    def _places(self) -> tuple[int, ...]:
        return tuple(NAMES.index(name) for name in self.names)

    def of(self, features: Sequence[float]) -> float:
        """The log-likelihood ratio of a sample with these features, in the order of NAMES."""
        return self.offset + sum(
            weight * (features[place] - mean) / scale
            for place, mean, scale, weight in zip(
                self._places, self.mean, self.scale, self.weights, strict=True
            )
        )


class Arm(_Part):
    """A prompt strategy at a temperature."""

    right: Share
    """Share of its samples that are right."""
    samples: int = Field(ge=0)
    """What that rests on."""
    weight: Positive = 1.0
    """Votes that one of its samples counts as."""
    log_tokens: tuple[float, float]
    """Mean and standard deviation of the natural logarithm of a sample's tokens."""


class Confidence(_Part):
    """From the belief's log-odds to the confidence that is told: logistic (Platt, 1999)."""

    slope: float = 1.0
    intercept: float = 0.0

    def of(self, probability: float) -> float:
        """The confidence in an answer of this probability."""
        kept = min(max(probability, 1e-6), 1 - 1e-6)
        return 1 / (1 + math.exp(-self.intercept - self.slope * math.log(kept / (1 - kept))))


class Bin(_Part):
    """Answers of about the same confidence."""

    confidence: Share
    right: Share
    count: int


class Quality(_Part):
    """How good it is on problems that it was not fitted on, over all numbers of samples."""

    problems: int
    brier: float
    brier_of_constant: float
    """Of always saying the share of right answers."""
    ece: float
    """Expected calibration error over ten bins."""
    ece_if_perfect: float
    """What perfectly calibrated confidences would show at that number of problems, on average."""
    ece_if_perfect_at_most: float
    """What 95% of such draws stay below."""
    auroc: float | None
    """Whether right answers have the higher confidence; None where they are all right or all
    wrong."""
    next_auroc: float | None = None
    """Whether, after a first wave, the belief that the next sample is right is higher where it is;
    None where no problem has samples beyond a wave, or they are all alike."""
    reliability: tuple[Bin, ...]


class Profile(_Part):
    """See the parts."""

    version: Literal[1] = 1
    model: str
    """Whose samples it was fitted on; "default" for any."""
    pools: tuple[str, ...] = ()
    problems: int = 0
    notes: tuple[str, ...] = ()
    """What there was too little data for."""
    prior: Prior
    strength: Positive
    spread: Positive
    trust: float = Field(ge=0)
    likeness: float = Field(ge=0, default=0.0)
    silence: Share
    foresight: Positive = USUAL_FORESIGHT
    """What part of the gains that are expected of further samples comes true."""
    evidence: Evidence | None = None
    arms: Mapping[str, Arm] = {}
    confidence: Confidence = Confidence()
    quality: Quality | None = None

    @property
    def habits(self) -> Habits:
        """How samples of the model behave."""
        told = self.evidence
        return Habits(
            strength=self.strength,
            spread=self.spread,
            trust=self.trust if told else 0.0,
            likeness=self.likeness,
            silence=self.silence,
            right_evidence=told.right if told else (0.0, 0.0),
            wrong_evidence=told.wrong if told else (0.0, 0.0),
            foresight=self.foresight,
        )

    def success(self, asked: Asked) -> float:
        """The chance that a sample of this question is right, by its text alone."""
        logit = self.prior.intercept + self.prior.slope * math.log(asked.words / TYPICAL_WORDS)
        return 1 / (1 + math.exp(-logit))

    def tally(self, asked: Asked) -> Tally:
        """What is expected of samples of this question, before the first."""
        return Tally(success=self.success(asked), habits=self.habits)

    def weight(self, arm: str) -> float:
        """Votes that a sample of this arm counts as; 1 for an arm that was not measured."""
        return self.arms[arm].weight if arm in self.arms else 1.0

    def evidence_of(
        self, asked: Asked, *, text: str, answer: str, tokens: int, mean_logprob: float | None
    ) -> float:
        """The log-likelihood ratio of a sample's own features; 0 where they are not known."""
        if self.evidence is None or mean_logprob is None:
            return 0.0
        return self.evidence.of(
            sample_features(
                asked, text=text, answer=answer, tokens=tokens, mean_logprob=mean_logprob
            )
        )

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json(indent=1) + "\n"


def load_profile(path: str | Path) -> Profile:
    """Read a profile's file. Raises InvalidOption for one that cannot be read, is of another
    version, or is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"the profile {path} cannot be read: {error}") from error
    return _parsed(text, str(path))


def shipped_profiles() -> list[str]:
    """The models that have a profile of their own, and "default"."""
    folder = files("its_agent.difficulty") / "profiles"
    return sorted(one.name.removesuffix(".json") for one in folder.iterdir())


@lru_cache(maxsize=8)
def profile_of(model: str) -> Profile:
    """The shipped profile of a model, by its name without its owner's; else the default one."""
    name = model.rpartition("/")[2]
    known = name if name in shipped_profiles() else DEFAULT
    path = files("its_agent.difficulty") / "profiles" / f"{known}.json"
    return _parsed(path.read_text(encoding="utf-8"), str(path))


def check_model(profile: Profile, model: str) -> None:
    """Raise InvalidOption for a profile of another model: its numbers would mislead."""
    if profile.model not in (DEFAULT, model, model.rpartition("/")[2]):
        raise InvalidOption(
            f"the profile is of {profile.model}, the backend serves {model}; calibrate one for it, "
            "or take the default profile"
        )


def _parsed(text: str, path: str) -> Profile:
    try:
        return Profile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise InvalidOption(f"{path} is no profile: {where}: {first['msg']}") from error
