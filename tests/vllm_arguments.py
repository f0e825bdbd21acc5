"""Reads command lines with vLLM's own parser; run as a script, as vLLM changes its process.

    python vllm_arguments.py '[["MODEL", "--max-num-seqs", "64"], …]'

Prints one JSON object: `defaults` by name, `commands` with the values of each line, and the
names of all `tool_parsers`. It ends with an error where the server would not start with a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.tool_parsers import ToolParserManager
from vllm.utils.argparse_utils import FlexibleArgumentParser


def read(lines: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What `vllm serve` would make of these lines, its program's name left out."""
    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))
    commands: list[dict[str, Any]] = []
    for line in lines:
        given = parser.parse_args(list(line))
        validate_parsed_serve_args(given)
        commands.append(vars(given))
    return {
        "defaults": vars(parser.parse_args([])),
        "commands": commands,
        "tool_parsers": list(ToolParserManager.list_registered()),
    }


if __name__ == "__main__":
    print(json.dumps(read(json.loads(sys.argv[1])), default=str))
