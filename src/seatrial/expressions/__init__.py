"""Texts with `${{ }}`: parsed once, names checked, expressions evaluated once.

The author of a document writes expressions. Values from an inventory, a deployer, a workflow, a record or a page are
data, never evaluated. `late` is for the ledger.
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
from seatrial.expressions.text import Deferred, deferred, expressions, names_in, references, strip, templated

__all__ = [
    "CHECK_NAMES", "EXTRAS", "NAMES", "Deferred", "Scope", "as_text", "bind", "check", "check_template", "deferred",
    "evaluate", "expressions", "fill_deferred", "late", "names_in", "plain", "references", "renamed_outputs", "strip",
    "templated", "with_old_names",
]  # fmt: skip
