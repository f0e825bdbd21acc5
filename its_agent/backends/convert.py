"""Turns a GGUF file into a Hugging Face folder; run as a script, in a process of its own.

It imports nothing of its_agent, so that it starts as fast as transformers allows and gives all
of its memory back. Each line on standard output is one finished step: `done total what`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

STEPS = ("loading transformers", "reading the tokenizer", "reading the weights", "writing")


def convert(gguf: Path, target: Path) -> None:
    """Writes weights as bfloat16, tokenizer with chat template, and stop tokens to `target`."""
    _step(0)
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    _step(1)
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
    _step(2)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        **where,
        dtype=torch.bfloat16,
        quantization_config=transformers.GgufConfig(dequantize=True),
    )
    _step(3)
    _mark_the_end(model, tokenizer)
    model.save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
    _step(4)


def _mark_the_end(model: Any, tokenizer: Any) -> None:
    if not tokenizer.chat_template:
        raise ValueError("the GGUF file has no chat template")
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.bos_token_id = tokenizer.bos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    end_of_text = tokenizer.get_vocab().get("<|endoftext|>", tokenizer.eos_token_id)
    model.generation_config.eos_token_id = sorted({tokenizer.eos_token_id, end_of_text})


def _step(done: int) -> None:
    what = STEPS[min(done, len(STEPS) - 1)]
    print(f"{done} {len(STEPS)} {what}", flush=True)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
