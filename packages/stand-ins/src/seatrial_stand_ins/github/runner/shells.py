"""The shells of `run:` steps, with GitHub's flags."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable
from pathlib import Path

from seatrial_stand_ins.github.runner.calls import ActionFailed

SHELLS = {
    "bash": ("bash --noprofile --norc -eo pipefail {0}", ".sh"),
    "sh": ("sh -e {0}", ".sh"),
    "python": ("python {0}", ".py"),
}
"""Name to the command, and the suffix of a script's name."""

UNSPECIFIED = ("bash -e {0}", ".sh")
"""Without `shell:`, a failure inside a pipe is ignored."""


def command(shell: str, script: str, folder: Path, which: Callable[[str], str | None]) -> tuple[list[str], str]:
    """The argument list for a script, and its name in a log; the script is written into the folder."""
    if shell in ("pwsh", "powershell", "cmd"):
        raise ActionFailed(f"this runner has no shell {shell!r}; it has bash, sh, python and COMMAND {{0}}")
    template, suffix = SHELLS.get(shell, (shell, ".sh")) if shell else UNSPECIFIED
    if "{0}" not in template:
        raise ActionFailed(
            f"Invalid shell option {shell!r}. Shell must be a valid built-in (bash, sh, python) or a format string "
            "containing '{0}'"
        )
    words = shlex.split(template)
    program = which(words[0])
    if program is None and not shell:
        words, program = ["sh", "-e", "{0}"], which("sh")
    if program is None and words[0] == "python":
        program = which("python3")
    if program is None:
        raise ActionFailed(f"{words[0]}: command not found")
    file = folder / f"{uuid.uuid4()}{suffix}"
    file.write_text(script if script.endswith("\n") else f"{script}\n", encoding="utf-8")
    file.chmod(0o755)
    argv = [program, *(word.replace("{0}", str(file)) for word in words[1:])]
    return argv, " ".join([program, *words[1:]])
