"""What a command raises, told to people: a message on standard error and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from seatrial.errors import DocumentError, NothingSelected, SeatrialError, UsageError

INTERRUPTED = 130
PIPE_CLOSED = 141
"""As a shell names the end by SIGPIPE."""


def guarded(work: Callable[[], int], *, debug: bool, as_json: bool = False) -> int:
    """Run a command; whatever it raises becomes text on standard error and an exit code.

    `as_json`: what kept it from starting is one JSON document on standard output as well.
    """
    _opened()
    _readable()
    try:
        code = _ended(work)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _pipe_closed()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except SeatrialError as error:
        refused = isinstance(error, UsageError | NothingSelected)
        if as_json and refused:
            _print_refusal(error)
        _tell(error)
        if debug and not refused:
            _traceback()
        return error.exit_code
    except Exception as error:  # noqa: BLE001  the last door: a person gets a message, not a traceback
        return _unexpected(error, debug=debug)


def _ended(work: Callable[[], int]) -> int:
    """The exit code of a command; argparse ends the process after `--help`, with output that is not flushed yet."""
    try:
        return work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def _tell(error: SeatrialError) -> None:
    """The message; of wrong documents every problem as one block, then how many there are."""
    if not isinstance(error, DocumentError):
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.write("".join(f"    {line}\n" for line in error.evidence.splitlines()))
        return
    for problem in error.problems:
        sys.stderr.write(_wrapped(f"error: {problem}") + "\n")
    count, files = len(error.problems), len({problem.file for problem in error.problems})
    problems = "1 problem" if count == 1 else f"{count} problems"
    where = "1 file" if files == 1 else f"{files} files"
    sys.stderr.write(f"{problems} in {where}; nothing was started\n")


def _wrapped(text: str) -> str:
    """Broken between words on a terminal; one line stays one line in a pipe, where programs read it."""
    if not sys.stderr.isatty():
        return text
    import shutil
    import textwrap

    width = max(40, shutil.get_terminal_size().columns)
    first, *hints = text.splitlines()
    made = textwrap.wrap(first, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    for hint in hints:
        made += textwrap.wrap(
            hint.strip(),
            width,
            initial_indent="    ",
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(made)


def _print_refusal(error: SeatrialError) -> None:
    import json
    from dataclasses import asdict

    problems = [asdict(problem) for problem in error.problems] if isinstance(error, DocumentError) else []
    told = {"success": False, "exit_code": error.exit_code, "error": str(error), "problems": problems}
    sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _unexpected(error: Exception, *, debug: bool) -> int:
    told = str(error).strip() or "no message"
    sys.stderr.write(f"error: {type(error).__name__}: {told}\n")
    if debug:
        _traceback()
    else:
        sys.stderr.write("    A mistake in Seatrial or a plugin, not in what was tested; --debug shows where.\n")
    return SeatrialError.exit_code


def _traceback() -> None:
    import traceback

    traceback.print_exc()


def _pipe_closed() -> int:
    """Whoever read our output has gone: say nothing, also not when the interpreter flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return PIPE_CLOSED


def _opened() -> None:
    """An output that was closed before we began (`>&-`) takes what is written, and shows it to nobody."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _readable() -> None:
    """An output that cannot hold a mark such as ✓ gets an escape for it, not a traceback."""
    encoding = (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "")
    if encoding != "utf8" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
