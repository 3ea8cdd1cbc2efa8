"""What the files of a check are called: a check is called by its document, and its files stay in the run's folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from seatrial import expressions

ROW = 80
"""Characters of a row of a matrix that a name of a file has."""

_PLAIN = re.compile(r"[A-Za-z0-9_.=,]*")
_ODD = re.compile(r"[^A-Za-z0-9_.=,-]+")


def row_name(row: Mapping[str, object]) -> str:
    """What a row of a matrix adds to the name of its check: `[python=3.11,os=linux]`."""
    told = ",".join(f"{key}={expressions.as_text(value)}" for key, value in row.items())
    return f"[{told}]" if told else ""


def folder_of(check: str) -> str:
    """Where a check's artifacts are, from the trial's: `build/site`, `build/site[python=3.12]`. Values of a matrix are
    any text: of one that is no part of a path (`../x`, `<2`) a readable rest stays, and what tells it from others."""
    plain, _, row = check.partition("[")
    return f"{plain}[{_as_part(row[:-1])}]" if row else plain


def log_of(check: str) -> str:
    """The name of a check's log, without its ending: `quality-mypy`; no two checks of a pipeline have the same."""
    stage, _, name = check.partition("/")
    plain, _, row = name.partition("[")
    told = f"{stage}-{plain}" + (f"-{_as_part(row[:-1]).replace(',', '-')}" if row else "")
    # `a-b/c` is not `a/b-c`.
    return f"{told}-{_mark(check)}" if "-" in stage else told


def _as_part(row: str) -> str:
    if _PLAIN.fullmatch(row) and len(row) <= ROW:
        return row
    return f"{_ODD.sub('-', row)[:ROW].strip('-')}-{_mark(row)}"


def _mark(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
