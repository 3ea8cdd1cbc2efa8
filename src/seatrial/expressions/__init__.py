"""Texts with `${{ }}`: parsed once, names checked, expressions evaluated once.

The author of a document writes expressions. Values from an inventory, a deployer, a workflow, a record or a page are
data, never evaluated. `confined` is for what may take for ever, `late` is for the ledger.
"""

from seatrial.expressions import late
from seatrial.expressions.confined import search
from seatrial.expressions.evaluate import (
    as_text,
    bind,
    evaluate,
    evaluate_apart,
    fill_apart,
    fill_deferred,
    plain,
    slow_expressions,
)
from seatrial.expressions.scope import (
    CHECK_NAMES,
    EXTRAS,
    NAMES,
    Scope,
    check,
    check_template,
    needed_nodes,
    renamed_outputs,
    with_old_names,
)
from seatrial.expressions.text import Deferred, deferred, expressions, names_in, references, strip, templated, texts

__all__ = [
    "CHECK_NAMES", "EXTRAS", "NAMES", "Deferred", "Scope", "as_text", "bind", "check", "check_template", "deferred",
    "evaluate", "evaluate_apart", "expressions", "fill_apart", "fill_deferred", "late", "names_in", "needed_nodes",
    "plain", "references", "renamed_outputs", "search", "slow_expressions", "strip", "templated", "texts",
    "with_old_names",
]  # fmt: skip
