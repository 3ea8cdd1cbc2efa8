"""Names for a check's files. The check's name comes from its document, but its files must stay in the run's folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from seatrial import expressions

ROW = 80
"""Characters of a matrix row in a file name."""

_PLAIN = re.compile(r"[A-Za-z0-9_.=,]*")
_ODD = re.compile(r"[^A-Za-z0-9_.=,-]+")


def row_name(row: Mapping[str, object]) -> str:
    """The suffix of a check's name for a matrix row: `[python=3.11,os=linux]`."""
    told = ",".join(f"{key}={expressions.as_text(value)}" for key, value in row.items())
    return f"[{told}]" if told else ""


def folder_of(check: str) -> str:
    """The folder of a check's artifacts, relative to the trial's: `build/site`, `build/site[python=3.12]`. Matrix
    values are free text: unsafe ones (`../x`, `<2`) become a readable part and a unique suffix."""
    plain, _, row = check.partition("[")
    return f"{plain}[{_as_part(row[:-1])}]" if row else plain


def log_of(check: str) -> str:
    """The name of a check's log, without its ending: `quality-mypy`; no two checks of a pipeline have the same."""
    stage, _, name = check.partition("/")
    plain, _, row = name.partition("[")
    told = f"{stage}-{plain}" + (f"-{_as_part(row[:-1]).replace(',', '-')}" if row else "")
    # `a-b/c` and `a/b-c` must differ.
    return f"{told}-{_mark(check)}" if "-" in stage else told


def _as_part(row: str) -> str:
    if _PLAIN.fullmatch(row) and len(row) <= ROW:
        return row
    return f"{_ODD.sub('-', row)[:ROW].strip('-')}-{_mark(row)}"


def _mark(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
