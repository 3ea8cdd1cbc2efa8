"""The page of exit codes, from the exceptions and the console's texts."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.reference.page import Page, sentence

from seatrial.errors import SeatrialError
from seatrial.reports.words import EXIT_CODES


def exit_codes() -> Page:
    """Every exit code."""
    page = Page(
        "Exit codes",
        "Of several, the signal wins, then 1, 3, 4. `clean` exits with 0 when nothing remains, whatever it found. "
        "A reader who goes away (`seatrial run | head`) changes neither the run nor its exit code.",
    )
    page.table(("Code", "Meaning"), ((f"`{code}`", sentence(text)) for code, text in EXIT_CODES.items()))
    page.heading("Exceptions")
    page.say("The Python API and your plugins can raise these. A command ends with the exit code of its exception.")
    page.table(
        ("Exception", "Below", "Code", "Category", "Meaning"),
        (
            (
                f"`{error.__name__}`",
                ", ".join(f"`{base.__name__}`" for base in error.__bases__),
                f"`{error.exit_code}`",
                error.category,
                sentence(page.need((error.__doc__ or "").split("\n")[0], f"{error.__name__} has no docstring")),
            )
            for error in _all(SeatrialError)
        ),
    )
    return page


def _all(error: type[SeatrialError]) -> Iterator[type[SeatrialError]]:
    """The exceptions of `seatrial.errors`, each once."""
    waiting, seen = [error], set()
    while waiting:
        here = waiting.pop(0)
        if here not in seen and here.__module__ == "seatrial.errors":
            seen.add(here)
            yield here
            waiting = [*here.__subclasses__(), *waiting]
