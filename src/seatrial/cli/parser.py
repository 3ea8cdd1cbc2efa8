"""One command's parser: argparse with nearest names, options before and after paths, and examples in its help."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from seatrial.cli import COMMANDS
from seatrial.errors import UsageError, nearest
from seatrial.model.frozen import frozen
from seatrial.model.values import duration

Arguments = argparse.Namespace


@frozen(kw_only=False)
class Argument:
    """A word or an option of a command, declared once for all commands with it."""

    names: tuple[str, ...]
    settings: dict[str, Any]
    """Keyword arguments of `add_argument`."""
    group: str = ""
    """Its heading in the help."""


def argument(*names: str, **settings: Any) -> Argument:
    """A word or an option with a value."""
    return Argument(names, settings)


def flag(*names: str, help: str) -> Argument:
    """An option without a value."""
    return Argument(names, {"action": "store_true", "help": help})


def repeatable(name: str, **settings: Any) -> Argument:
    """An option with one value each time; the values become a list."""
    return Argument((name,), {"action": "append", "default": [], **settings})


def choice(name: str, allowed: Iterable[str], **settings: Any) -> Argument:
    """A word or an option with a value from a list."""
    return Argument((name,), {"choices": allowed, "type": one_of(allowed), **settings})


def group(title: str, *arguments: Argument) -> tuple[Argument, ...]:
    """Arguments below one heading of the help."""
    return tuple(replace(argument, group=title) for argument in arguments)


@frozen
class Command:
    """A command: its action, its arguments and its examples."""

    act: Callable[[Arguments], int]
    arguments: tuple[Argument, ...]
    examples: tuple[tuple[str, str], ...]
    """Command lines without the leading `seatrial`, each with a description."""
    more: str = ""
    """A paragraph under the summary."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of ending the process, and names the nearest option."""

    def parse(self, words: Sequence[str]) -> Arguments:
        """Parse the words of one command; a word after an option is a path unless the option takes it."""
        arguments, rest = self.parse_known_args(words)
        unknown = [word for word in rest if word.startswith("-") and word != "-"]
        if unknown:
            known = nearest(unknown[0].split("=")[0], self.options(), what="options")
            raise UsageError(f"{self.prog}: unknown option {unknown[0]!r}; {known}")
        if rest and not hasattr(arguments, "paths"):
            raise UsageError(f"{self.prog}: unexpected argument {rest[0]!r}{self.hint}")
        if rest:
            arguments.paths = [*arguments.paths, *map(Path, rest)]
        return arguments

    @property
    def hint(self) -> str:
        return f"\n    {self.prog} --help shows its arguments"

    def options(self) -> list[str]:
        """The long names of its options."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message.removeprefix('argument ')}{self.hint}")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse ignores errors here, but a closed pipe must be noticed.
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
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    for argument in (*command.arguments, *COMMON):
        if argument.group not in groups:
            groups[argument.group] = parser.add_argument_group(argument.group)
        groups[argument.group].add_argument(*argument.names, **argument.settings)
    return command, parser


class Formatter(argparse.HelpFormatter):
    """Wraps the description but not the examples."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, max_help_position=30, **more)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


def one_of(allowed: Iterable[str]) -> Callable[[str], str]:
    """A word from a list; the error names the nearest one."""
    known = tuple(allowed)

    def read(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"unknown value {text!r}; {nearest(text, known)}")
        return text

    return read


def several_of(allowed: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Words from a list, separated by commas."""
    read = one_of(allowed)
    return lambda text: tuple(map(read, words(text)))


def words(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise argparse.ArgumentTypeError("expected one or more names separated by commas")
    return names


def positive(text: str) -> int:
    """A positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def amount(text: str) -> float:
    """A positive number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def seconds(text: str) -> float:
    """A duration: seconds, or `500ms`, `10s`, `5m`, `4h`."""
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def shard(text: str) -> tuple[int, int]:
    """A shard and the number of shards: `2/5`."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"invalid shard {text!r}: use I/N with 1 <= I <= N, for example 2/5")
    return int(index), int(count)


def existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return path


COMMON = (flag("--debug", help="log every decision and show tracebacks"), flag("--no-color", help="print plain text"))
"""Options of every command."""

FOLDER = argument("folder", nargs="?", type=Path, default=Path(), metavar="FOLDER",
                  help="project folder (default: the current one)")  # fmt: skip
FORMAT = choice("--format", ("text", "json"), default="text", metavar="FORMAT",
                help="text, or json for one JSON document on standard output")  # fmt: skip


def plugin(help: str = "load a plugin file") -> Argument:
    """Files with steps, checks and so on."""
    return repeatable("--plugin", dest="plugins", type=existing_file, metavar="FILE", help=help)
