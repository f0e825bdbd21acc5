"""Reads command lines with vLLM's own parser; run as a script, as vLLM changes its process.

    python vllm_arguments.py '[["MODEL", "--max-num-seqs", "64"], …]'

Prints one JSON object: `defaults` by name, `commands` with the values of each line, and the
names of all `tool_parsers`. It ends with an error where the server would not start with a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any


def read(lines: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What `vllm serve` would make of these lines, its program's name left out."""
    serve: Any = import_module("vllm.entrypoints.launchers.cli_args")
    tools: Any = import_module("vllm.tool_parsers")
    parser = serve.create_parser_for_docs()
    commands = [parser.parse_args(list(line)) for line in lines]
    for given in commands:
        serve.validate_parsed_serve_args(given)
    return {
        "defaults": vars(parser.parse_args([])),
        "commands": [vars(given) for given in commands],
        "tool_parsers": list(tools.ToolParserManager.list_registered()),
    }


if __name__ == "__main__":
    print(json.dumps(read(json.loads(sys.argv[1])), default=str))
