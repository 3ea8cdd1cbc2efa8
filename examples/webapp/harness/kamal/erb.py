"""The ERB of a Kamal configuration, as far as needed to read the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

TAG = re.compile(r"<%(=?)(.*?)%>", re.DOTALL)
VALUE = re.compile(r"""ENV\[["'](\w+)["']\]|ENV\.fetch\(\s*["'](\w+)["'](?:\s*,\s*["']([^"']*)["'])?\s*\)""")
UNLESS = re.compile(r"""unless ENV\[["'](\w+)["']\]\.to_s\.empty\?""")
ALLOWED = 'ENV["NAME"], ENV.fetch("NAME"), ENV.fetch("NAME", "default"), unless ENV["NAME"].to_s.empty?, end'


class Wrong(Exception):
    """An invalid configuration; the text names the place."""


def render(text: str, environment: Mapping[str, str], path: str) -> str:
    """The text with its tags filled in; Wrong for unknown Ruby."""
    out: list[str] = []
    kept = [True]
    position = 0
    for tag in TAG.finditer(text):
        where = f"{path}:{text.count(chr(10), 0, tag.start()) + 1}"
        out.append(text[position : tag.start()] if all(kept) else "")
        position = tag.end()
        code = tag[2].strip()
        if tag[1]:
            out.append(_value(code, environment, where) if all(kept) else "")
        elif condition := UNLESS.fullmatch(code):
            kept.append(bool(environment.get(condition[1])))
        elif code == "end" and len(kept) > 1:
            kept.pop()
        else:
            raise Wrong(f"{where}: the stand-in does not know the Ruby {code!r}; it knows {ALLOWED}")
    if len(kept) > 1:
        raise Wrong(f"{path}: an `unless` has no `end`")
    return "".join(out) + text[position:]


def _value(code: str, environment: Mapping[str, str], where: str) -> str:
    match = VALUE.fullmatch(code)
    if match is None:
        raise Wrong(f"{where}: the stand-in does not know the Ruby {code!r}; it knows {ALLOWED}")
    subscript, fetched, default = match.groups()
    if subscript:
        return environment.get(subscript, "")
    value = environment.get(fetched, default)
    if value is None:
        raise Wrong(f"{where}: the environment has no {fetched}")
    return value
