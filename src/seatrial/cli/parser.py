"""One command's parser: argparse with nearest names, options before and after paths, and examples in its help."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from seatrial.cli import COMMANDS
from seatrial.errors import UsageError, nearest
from seatrial.model.values import duration

Arguments = argparse.Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: what it takes, what it does, how it is used."""

    arguments: Callable[[Parser], None]
    """Adds its arguments to its parser."""
    act: Callable[[Arguments], int]
    examples: tuple[tuple[str, str], ...]
    """Command lines without the leading `seatrial`, each with what it does."""
    more: str = ""
    """A paragraph under the summary."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of ending the process, and names the nearest option."""

    def parse(self, words: Sequence[str]) -> Arguments:
        """Read the words of one command; what is no option and stands after one is a path all the same."""
        arguments, rest = self.parse_known_args(words)
        unknown = [word for word in rest if word.startswith("-") and word != "-"]
        if unknown:
            known = nearest(unknown[0].split("=")[0], self.options(), what="options")
            raise UsageError(f"{self.prog}: unknown option {unknown[0]!r}; {known}")
        if rest and not hasattr(arguments, "paths"):
            raise UsageError(f"{self.prog}: {rest[0]!r} is one word too many{self.hint}")
        if rest:
            arguments.paths = [*arguments.paths, *map(Path, rest)]
        return arguments

    @property
    def hint(self) -> str:
        """Where to read on."""
        return f"\n    {self.prog} --help shows what it takes"

    def options(self) -> list[str]:
        """The long names of its options."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]

    def error(self, message: str) -> NoReturn:
        """As argparse has it, raised."""
        raise UsageError(f"{self.prog}: {message.removeprefix('argument ')}{self.hint}")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse swallows what goes wrong here; a pipe that was closed must be noticed as everywhere else.
        (file or sys.stderr).write(message)


def parser_of(name: str, build: Callable[..., Parser] = Parser) -> tuple[Command, Parser]:
    """A command and its parser; `build` is `Parser`, or a sub-parser's `add_parser`."""
    module, summary = COMMANDS[name]
    command: Command = importlib.import_module(f"seatrial.cli.{module}").COMMANDS[name]
    width = max(len(line) for line, _ in command.examples) + 2
    examples = "\n".join(f"  seatrial {line:<{width}} {what}".rstrip() for line, what in command.examples)
    parser = build(
        prog=f"seatrial {name}",
        description=f"{summary[0].upper()}{summary[1:]}.{' ' + command.more if command.more else ''}",
        epilog=f"examples:\n{examples}",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    parser.add_argument("--debug", action="store_true", help="log every decision; show tracebacks")
    parser.add_argument("--no-color", action="store_true", help="plain text")
    return command, parser


class Formatter(argparse.HelpFormatter):
    """Wraps the description, and leaves the examples as they are."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, max_help_position=30, **more)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


def one_of(allowed: Iterable[str]) -> Callable[[str], str]:
    """A word from a list; the nearest one is named when it is not."""
    known = tuple(allowed)

    def read(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is not known; {nearest(text, known)}")
        return text

    return read


def several_of(allowed: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Words from a list, parted by commas."""
    read = one_of(allowed)
    return lambda text: tuple(map(read, words(text)))


def words(text: str) -> tuple[str, ...]:
    """Names parted by commas."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise argparse.ArgumentTypeError("no name in it; write one, or several parted by commas")
    return found


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def amount(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def seconds(text: str) -> float:
    """A duration: seconds, or `500ms`, `10s`, `5m`, `4h`."""
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def shard(text: str) -> tuple[int, int]:
    """Which part of how many: `2/5`."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part of a whole; write I/N with 1 <= I <= N, such as 2/5")
    return int(index), int(count)


def existing_file(text: str) -> Path:
    """A file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return path


TEXT_OR_JSON = ("text", "json")


def format_argument(parser: Parser) -> None:
    """Text for people, or one JSON document."""
    parser.add_argument(
        "--format", choices=TEXT_OR_JSON, type=one_of(TEXT_OR_JSON), default="text", metavar="FORMAT",
        help="text, or json: one document on standard output and nothing else there",
    )  # fmt: skip
