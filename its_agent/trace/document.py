"""One self-contained HTML page: its data, its style and its script in one file, and no network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from its_agent.trace.file import plain

_ENDANGERED = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def document(title: str, data: Mapping[str, Any], scripts: Sequence[str]) -> str:
    """The page that these scripts of `assets` draw of the data.

    Nothing in the data can end the element that holds it, and no script runs but ours: the page's
    own policy names it by its digest, and forbids every connection.
    """
    script = f'"use strict";\n(() => {{\n{"".join(map(_asset, scripts))}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'"
    told = json.dumps(plain(data), ensure_ascii=True, allow_nan=False).translate(_ENDANGERED)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n"
        "<main><noscript>This page draws itself with a script of its own.</noscript></main>\n"
        f'<script type="application/json" id="data">{told}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (files("its_agent.trace") / "assets" / name).read_text(encoding="utf-8")
