"""Loads and renders the templates beside this file; a missing or unknown variable is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, meta

FOLDER = Path(__file__).parent


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
    )


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.md")


def template_names() -> tuple[str, ...]:
    """Name every template, in order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.md")))


@cache
def variables(name: str) -> frozenset[str]:
    """Name the variables that a template uses."""
    source = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return frozenset(meta.find_undeclared_variables(_environment().parse(source)))


def render(name: str, **values: str) -> str:
    """Render a template. Raises TypeError unless `values` are exactly its variables."""
    expected = variables(name)
    if values.keys() != expected:
        raise TypeError(f"prompt {name!r} takes {sorted(expected)}, got {sorted(values)}")
    return _template(name).render(values)
