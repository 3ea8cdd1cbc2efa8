"""Texts with `${{ }}`: read once, their names checked, their expressions evaluated once.

The author of a document writes expressions. What an inventory, a deployer, a workflow, a record or a page says is data,
which is never looked at again. `late` is for the ledger.
"""

from seatrial.expressions import late
from seatrial.expressions.evaluate import as_text, bind, evaluate, fill_deferred, plain
from seatrial.expressions.scope import (
    CHECK_NAMES,
    EXTRAS,
    NAMES,
    Scope,
    check,
    check_template,
    renamed_outputs,
    with_old_names,
)
from seatrial.expressions.text import deferred, expressions, names_in, references, strip, templated

__all__ = [
    "CHECK_NAMES",
    "EXTRAS",
    "NAMES",
    "Scope",
    "as_text",
    "bind",
    "check",
    "check_template",
    "deferred",
    "evaluate",
    "expressions",
    "fill_deferred",
    "late",
    "names_in",
    "plain",
    "references",
    "renamed_outputs",
    "strip",
    "templated",
    "with_old_names",
]
