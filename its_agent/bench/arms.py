"""What is sampled of every problem of a pool: an arm is a prompt strategy at a temperature."""

from __future__ import annotations

import re
from dataclasses import dataclass

from its_agent.errors import InvalidOption
from its_agent.prompts import ARMS

_SPELLING = re.compile(r"(?P<prompt>\w+)@(?P<temperature>\d+(\.\d+)?)x(?P<samples>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledArm:
    """So many samples of one prompt strategy at one temperature."""

    prompt: str
    temperature: float
    samples: int

    @property
    def name(self) -> str:
        """Such as "step_by_step@0.8"; greedy is @0."""
        return f"{self.prompt}@{self.temperature:g}"

    @classmethod
    def parse(cls, spelt: str) -> SampledArm:
        """Read PROMPT@TEMPERATURExSAMPLES. Raises InvalidOption, and for more than one greedy
        sample, which would be the same again."""
        found = _SPELLING.fullmatch(spelt)
        if found is None or found["prompt"] not in ARMS:
            raise InvalidOption(
                f"{spelt!r} is no arm; give PROMPT@TEMPERATURExSAMPLES, such as step_by_step@0.8x16"
                f", with one of the prompts {', '.join(ARMS)}"
            )
        arm = cls(
            prompt=found["prompt"],
            temperature=float(found["temperature"]),
            samples=int(found["samples"]),
        )
        if arm.samples < 1 or (arm.temperature == 0 and arm.samples > 1):
            raise InvalidOption(
                f"{spelt!r} asks for {arm.samples} samples; give 1 at temperature 0, 1 or more else"
            )
        return arm
