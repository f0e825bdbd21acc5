"""The state machine's shape, and that its state is plain data."""

from __future__ import annotations

import json

from its_agent.graphs.solve import PATHS, solve_graph
from its_agent.graphs.state import merge_by_id

TOPOLOGY = """graph TD;
	__start__([<p>__start__</p>]):::first
	estimate(estimate)
	route(route)
	verify(verify)
	single_pass(single_pass)
	attempts(attempts)
	refine(refine)
	search(search)
	__end__([<p>__end__</p>]):::last
	__start__ --> estimate;
	attempts --> verify;
	estimate --> route;
	refine --> verify;
	route -.-> __end__;
	route -.-> attempts;
	route -.-> refine;
	route -.-> search;
	route -.-> single_pass;
	search --> verify;
	single_pass --> verify;
	verify -.-> __end__;
	verify -.-> route;
"""


def drawn(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if "-->" in line or "-.->" in line]


def test_the_topology_is_the_one_in_the_house_plan() -> None:
    mermaid = solve_graph().compile().get_graph().draw_mermaid(with_styles=False)
    assert sorted(drawn(mermaid)) == sorted(drawn(TOPOLOGY))


def test_refine_and_search_loop_inside_their_paths() -> None:
    refine = drawn(PATHS["refine"]().compile().get_graph().draw_mermaid(with_styles=False))
    search = drawn(PATHS["search"]().compile().get_graph().draw_mermaid(with_styles=False))
    assert "improve -.-> critique;" in refine
    assert "expand -.-> expand;" in search or "expand -.-> harvest;" in search


def test_a_subgraph_that_hands_back_what_it_got_adds_nothing_twice() -> None:
    old = [{"id": "c1", "text": "a"}, {"id": "c2", "text": "b"}]
    merged = merge_by_id(old, [{"id": "c2", "text": "B"}, {"id": "c3", "text": "c"}])
    assert json.dumps(merged) == json.dumps(
        [{"id": "c1", "text": "a"}, {"id": "c2", "text": "B"}, {"id": "c3", "text": "c"}]
    )
