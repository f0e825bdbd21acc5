"""Every link of the documentation leads somewhere, and its index names every page."""

from __future__ import annotations

import re

import pytest
from page_blocks import PAGES, ROOT, prose_of

LINKS = sorted(
    {
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose_of(page)))
        if not re.match(r"[a-z]+:", target)
    }
)


def anchors(page: str) -> set[str]:
    """What headings can be linked by, as GitHub makes it of them."""
    headings = re.findall(r"^#+ +(.*?) *$", prose_of(page), re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    seen: dict[str, int] = {}
    for slug in slugs:
        seen[slug] = seen.get(slug, 0) + 1
    return {f"{slug}-{n}" if n else slug for slug, count in seen.items() for n in range(count)}


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_leads_to_a_file_and_a_heading(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    assert file.exists(), f"{page} links to {target}"
    assert file.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(str(file.relative_to(ROOT)))


def test_the_index_names_every_page() -> None:
    linked = {target for page, target in LINKS if page == "docs/README.md"}
    pages = {path.removeprefix("docs/") for path in PAGES if path.startswith("docs/")}
    assert pages - {"README.md"} <= linked
    assert ("README.md", "docs/README.md") in LINKS


def test_headings_are_linked_as_github_does_it() -> None:
    assert "which-options-matter-and-why" in anchors("docs/gpu_server.md")
    assert "make-and-the-embedded-engine" in anchors("docs/gpu_server.md")
    assert "its-agent-bench-run" in anchors("docs/command_line.md")
