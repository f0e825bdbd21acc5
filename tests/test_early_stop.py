"""Aborting a wave whose vote is decided costs no answer, shown on a pool."""

from __future__ import annotations

from pathlib import Path

from toy_pool import made_up

from its_agent.bench.early_stop import early_stop_section, measure_early_stop


async def test_a_stop_changes_no_answer_of_a_pool_and_saves_tokens(tmp_path: Path) -> None:
    rows = [row for row in made_up(30, samples=16) if row.temperature]
    pool = tmp_path / "pool.jsonl"
    pool.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    seen = await measure_early_stop(pool)
    assert (seen.problems, seen.answers_changed) == (30, 0)
    assert seen.right_with == seen.right_without > 0
    assert seen.waves_cut_short > 0
    assert seen.tokens_with < seen.tokens_without
    assert "0 answers changed" in early_stop_section(seen, "a command")
