"""A group of commands one of which need not be named."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def by_default(command: str) -> type[TyperGroup]:
    """Such a group: `bench PROBLEMS …` is `bench run PROBLEMS …` where `command` is run."""

    class _Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            named = bool(args) and args[0] in (*self.commands, "--help")
            return super().parse_args(ctx, args if named or not args else [command, *args])

    return _Group
