"""The page of commands, from their parsers."""

from __future__ import annotations

import argparse

from scripts.reference.page import Page, sentence

from seatrial.cli import COMMANDS
from seatrial.cli.parser import Command, Parser, parser_of

COMMON = ("-h", "--debug", "--no-color")


def commands() -> Page:
    """Every command with every option."""
    page = Page(
        "Commands",
        "`seatrial COMMAND [PATH ...] [OPTION ...]`. `seatrial COMMAND --help` prints the same.",
    )
    page.table(
        ("Command", "What it does"), ([f"[`{name}`](#{name})", sentence(what)] for name, (_, what) in COMMANDS.items())
    )
    page.heading("Options of every command")
    page.table(
        ("Option", "Meaning"),
        [
            ("`--debug`", "Log every decision, and show tracebacks."),
            ("`--no-color`", "Plain text."),
            ("`-h`, `--help`", "What the command does and takes, with examples."),
            ("`-V`, `--version`", "The version. No command comes with it."),
        ],
    )
    for name in COMMANDS:
        _command(page, name, *parser_of(name))
    return page


def _command(page: Page, name: str, command: Command, parser: Parser) -> None:
    page.heading(f"`{name}`")
    page.say(page.need(parser.description or "", f"the command {name!r} has no summary"))
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if not set(COMMON) & set(action.option_strings)]
        if not actions:
            continue
        title = {"positional arguments": "Argument", "options": "Option"}.get(group.title or "", "")
        if not title:
            page.say(f"{sentence(group.title or '')[:-1]}:")
        rows = [(_names(action), _meaning(page, name, action)) for action in actions]
        page.table((title or "Option", "Meaning"), rows)
    page.need(" ".join(line for line, _ in command.examples), f"the command {name!r} has no examples")
    width = max((len(line) for line, _ in command.examples), default=0)
    lines = (
        f"$ seatrial {line:<{width}}  # {what}" if what else f"$ seatrial {line}" for line, what in command.examples
    )
    page.code("console", "\n".join(lines))


def _names(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else ""
    if not action.option_strings:
        return f"`{value or action.dest.upper()}`"
    return ", ".join(
        f"`{option} {value}`" if value and action.nargs != 0 else f"`{option}`" for option in action.option_strings
    )


def _meaning(page: Page, name: str, action: argparse.Action) -> str:
    said = action.option_strings[-1] if action.option_strings else action.dest
    return sentence(
        page.need(action.help or "", f"`seatrial {name}`: {said} has no help").replace(
            "%(default)s", str(action.default)
        )
    )
