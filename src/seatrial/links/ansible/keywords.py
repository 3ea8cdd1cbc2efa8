"""The keywords of plays, blocks and tasks, for the hint at a misspelt one. Only Ansible itself adds some."""

from __future__ import annotations

import re
from typing import Literal

from seatrial.errors import closest

Kind = Literal["play", "block", "task"]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


_SHARED = _words(
    """
    any_errors_fatal become become_exe become_flags become_method become_user check_mode collections connection debugger
    diff environment ignore_errors ignore_unreachable module_defaults name no_log port remote_user run_once tags
    throttle timeout vars
    """
)
_CONDITIONAL = _words("delegate_facts delegate_to notify when")

KEYWORDS: dict[Kind, frozenset[str]] = {
    "play": _SHARED
    | _words(
        """
        fact_path force_handlers gather_facts gather_subset gather_timeout handlers hosts max_fail_percentage order
        post_tasks pre_tasks roles serial strategy tasks user validate_argspec vars_files vars_prompt
        """
    ),
    "block": _SHARED | _CONDITIONAL | _words("always block rescue"),
    "task": _SHARED
    | _CONDITIONAL
    | _words(
        """
        action args async changed_when delay failed_when listen local_action loop loop_control poll register retries
        static until
        """
    ),
}
"""Those of ansible-core 2.15 to 2.20."""

CUTOFF = 0.75


def meant(word: str, kind: Kind) -> str:
    """The keyword that a word may be a misspelling of; empty: none, or it is one."""
    if word in KEYWORDS[kind] or word.startswith("with_"):
        return ""
    return closest(word, KEYWORDS[kind], cutoff=CUTOFF)


def misplaced(word: str) -> str:
    """Where a word that no play has belongs: `a task`; empty: nowhere."""
    return "a task" if word in KEYWORDS["task"] or word.startswith("with_") else ""
