"""Turn exceptions of a command into a message on standard error and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from seatrial.cli.streams import prepare
from seatrial.errors import DocumentError, NothingSelected, SeatrialError, UsageError

INTERRUPTED = 130

BUG = "This is a bug in Seatrial or a plugin, not in your system. Use --debug to see where."


def guarded(work: Callable[[], int], *, debug: bool, as_json: bool = False, owned: bool = False) -> int:
    """Run a command; an exception becomes text on standard error and an exit code.

    `as_json`: also print a refusal to start as one JSON document on standard output. `owned`: the outputs belong to
    this process.
    """
    prepare(as_json, owned=owned)
    try:
        try:
            code = work()
        except SystemExit as end:  # from argparse after `--help`, before its output is flushed
            code = end.code if isinstance(end.code, int) else 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except SeatrialError as error:
        refused = isinstance(error, UsageError | NothingSelected)
        if as_json and refused:
            _print_refusal(error)
        _print_error(error)
        if debug and not refused:
            sys.excepthook(type(error), error, error.__traceback__)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  the outermost handler: you get a message, not a traceback
        sys.stderr.write(f"error: {type(error).__name__}: {str(error).strip() or 'no message'}\n")
        if debug:
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            sys.stderr.write(f"    {BUG}\n")
        return SeatrialError.exit_code


def _print_error(error: SeatrialError) -> None:
    """The message; for invalid documents every problem as one block, then their number."""
    if not isinstance(error, DocumentError):
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.write("".join(f"    {line}\n" for line in error.evidence.splitlines()))
        return
    from seatrial.reports.words import count

    for problem in error.problems:
        sys.stderr.write(_wrapped(f"error: {problem}") + "\n")
    problems = count(len(error.problems), "problem")
    files = count(len({problem.file for problem in error.problems}), "file")
    sys.stderr.write(f"{problems} in {files}; nothing was started\n")


def _wrapped(text: str) -> str:
    """Wrap between words on a terminal; in a pipe each line stays whole for programs."""
    if not sys.stderr.isatty():
        return text
    import shutil
    import textwrap
    from functools import partial

    width = max(40, shutil.get_terminal_size().columns)
    wrap = partial(textwrap.wrap, width=width, break_long_words=False, break_on_hyphens=False)
    first, *hints = text.splitlines()
    lines = wrap(first, subsequent_indent="    ")
    for hint in hints:
        lines += wrap(hint.strip(), initial_indent="    ", subsequent_indent="      ")
    return "\n".join(lines)


def _print_refusal(error: SeatrialError) -> None:
    import json
    from dataclasses import asdict

    problems = [asdict(problem) for problem in error.problems] if isinstance(error, DocumentError) else []
    refusal = {"success": False, "exit_code": error.exit_code, "error": str(error), "problems": problems}
    sys.stdout.write(json.dumps(refusal, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()
