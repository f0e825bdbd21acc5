"""The command and environment with which vLLM starts on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from its_agent.backends.extras import require_vllm
from its_agent.backends.home import subfolder
from its_agent.backends.machine import (
    cores,
    free_memory,
    has_compiler,
    has_gpu,
    multiplies_bfloat16,
)
from its_agent.errors import NotEnoughMemory

GIB = 1 << 30
MAX_SEQUENCES = 64
# Measured: the three processes of a CPU engine, without weights and without KV space.
RUNTIME_BYTES = 3 * GIB
STREAM_INTERVAL = 8
"""Tokens in a piece of a stream: the server shares the cores with the engine, which is faster
where there is less to send."""
SMALLEST_KV = GIB // 2
LARGEST_KV = 4 * GIB

TOOL_CALLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
"""Calls are read as Qwen's templates have them written; a model that writes others says text."""

# A model's own generation_config would change the sampling of every request that leaves a
# setting out, and only when the model came from the hub.
NEUTRAL_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A way to start an engine on a port: arguments, extra environment, the weights' format."""

    model: str
    port: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    dtype: str


def plan_launch(
    folder: Path, served_name: str, *, port: int, eager: bool, max_model_len: int
) -> Launch:
    """How to serve the model in `folder` on the loopback address.

    Raises MissingExtra when vLLM is not installed, NotEnoughMemory when it cannot fit.
    """
    on_gpu = require_vllm() == "vllm" and has_gpu()
    common = _common_options(folder, served_name, port=port, max_model_len=max_model_len)
    environment = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": str(subfolder("vllm")),
        # Nothing in the folder where the user stands may shadow the engine's modules.
        "PYTHONSAFEPATH": "1",
    }
    if on_gpu:
        options = ("--dtype", "auto", *_eager(eager))
        return Launch(
            model=served_name,
            port=port,
            command=common + options,
            environment=environment,
            dtype="auto",
        )
    # Without instructions for it bfloat16 is emulated: half the speed of float32, measured at 16
    # streams on AVX2, where compiling takes minutes and gains nothing.
    fast = multiplies_bfloat16()
    dtype, weights = (
        ("bfloat16", weight_bytes(folder)) if fast else ("float32", 2 * weight_bytes(folder))
    )
    space = kv_space(weights, free_memory())
    options = (
        *("--dtype", dtype, "--block-size", "32", "--kv-cache-memory-bytes", str(space)),
        *("--stream-interval", str(STREAM_INTERVAL)),
    )
    return Launch(
        model=served_name,
        port=port,
        command=common + options + _eager(eager or not fast or not has_compiler()),
        environment=environment | {"VLLM_CPU_OMP_THREADS_BIND": cores()},
        dtype=dtype,
    )


def kv_space(weights: int, free: int | None) -> int:
    """Bytes for keys and values: half of what weights and runtime leave, 0.5 to 4 GiB.

    Raises NotEnoughMemory when less than the smallest space is left.
    """
    if free is None:
        return SMALLEST_KV
    left = free - weights - RUNTIME_BYTES
    if left < SMALLEST_KV:
        raise NotEnoughMemory(
            f"The engine needs {(weights + RUNTIME_BYTES + SMALLEST_KV) / GIB:.1f} GiB of memory "
            f"({weights / GIB:.1f} for the weights), {free / GIB:.1f} GiB are free. "
            "End other programs or choose a smaller model."
        )
    return max(SMALLEST_KV, min(left // 2, LARGEST_KV))


def weight_bytes(folder: Path) -> int:
    """Size of the model's weights on disk, in bytes."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _common_options(
    folder: Path, served_name: str, *, port: int, max_model_len: int
) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(folder), "--served-model-name", served_name),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--max-model-len", str(max_model_len), "--max-num-seqs", str(MAX_SEQUENCES)),
        *("--override-generation-config", json.dumps(NEUTRAL_SAMPLING)),
        *("--enable-prefix-caching", "--enable-prompt-tokens-details"),
        *("--uvicorn-log-level", "warning"),
        *TOOL_CALLS,
    )


def _eager(eager: bool) -> tuple[str, ...]:
    return ("--enforce-eager",) if eager else ()
